// Terms with the columns that a fit, or a user, has given them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "features/text_rows.hpp"
#include "features/text_terms.hpp"
#include "features/text_word_ngrams.hpp"

// Bytes after which kSlack can be read, with the words of an n-gram as spans.
inline void split_words(std::string_view term, Spans& spans) {
    spans.room(term.size());
    std::copy(term.begin(), term.end(), spans.text.begin());
    spans.close(spans.text.data() + term.size());
    for (size_t begin = 0;;) {
        size_t end = std::min(term.find(' ', begin), term.size());
        spans.parts.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end - begin)});
        if (end == term.size()) return;
        begin = end + 1;
    }
}

// `column` is by id, in the order of the dict; kNone for what is no term.
template <class Terms>
class Vocabulary {
public:
    Vocabulary(Terms terms, std::vector<uint32_t> column) : terms_(std::move(terms)), column_(std::move(column)) {
        for (uint32_t column : column_)
            if (column != kNone) {
                ++size_;
                n_columns_ = std::max(n_columns_, column + 1);
            }
    }

    size_t size() const { return size_; }
    uint32_t n_columns() const { return n_columns_; }  // that a matrix needs

    // Add a term that is not there yet.
    void add(std::string_view term, uint32_t column, Spans& scratch) {
        split_words(term, scratch);
        uint32_t id;
        if constexpr (std::is_same_v<Terms, WordNgrams>)
            id = terms_.intern(scratch);
        else
            id = terms_.intern(scratch.text.data(), term.size());
        column_.resize(terms_.size(), kNone);
        size_ += column_[id] == kNone;
        column_[id] = column;
        n_columns_ = std::max(n_columns_, column + 1);
    }

    // Call f(term, column) in the order of first sight.
    template <class F>
    void each(F f) const {
        std::string term;
        for (uint32_t id = 0; id < column_.size(); ++id) {
            if (column_[id] == kNone) continue;
            term.clear();
            terms_.append(id, term);
            f(std::string_view(term), column_[id]);
        }
    }

    // Finds the columns of the parts of a document; one for each thread.
    class Finder {
    public:
        Finder(const Vocabulary& vocabulary, NgramRange range) : vocabulary_(&vocabulary), range_(range) {}
        template <class Found>
        void operator()(const Spans& spans, const Found& found, Poll& poll) {
            const auto take = [&](uint32_t id) {
                uint32_t column = vocabulary_->column_[id];
                if (column != kNone) found(column, 1);
            };
            if constexpr (std::is_same_v<Terms, WordNgrams>)
                vocabulary_->terms_.find(spans, range_, take, search_, poll);
            else
                vocabulary_->terms_.find(spans, take, poll);
        }

    private:
        const Vocabulary* vocabulary_;
        NgramRange range_;
        struct Nothing {};
        std::conditional_t<std::is_same_v<Terms, WordNgrams>, WordNgrams::Search, Nothing> search_;
    };

private:
    Terms terms_;
    std::vector<uint32_t> column_;
    size_t size_ = 0;
    uint32_t n_columns_ = 0;
};
