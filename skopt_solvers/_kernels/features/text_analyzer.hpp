// From a document to the parts of it that are counted.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/interrupt.hpp"
#include "features/text_char_ngrams.hpp"
#include "features/text_characters.hpp"
#include "features/text_spans.hpp"
#include "features/text_terms.hpp"
#include "features/text_tokens.hpp"

enum class Units {
    kWords,       // tokens, of which the table of terms makes n-grams
    kWordNgrams,  // n-grams of tokens, joined by spaces
    kChars,
    kCharsInWords,
};

// What a vectorizer's parameters say of its analyzer.
struct AnalyzerRules {
    Units units = Units::kWords;
    NgramRange range;
    TokenRule token;
    bool lower = true;
    std::shared_ptr<const CharacterTable> characters;  // in lower case if `lower`
    std::shared_ptr<const CharacterTable> as_is;       // for texts that have been prepared elsewhere
    std::shared_ptr<const StringTerms> stop_words;     // none if null
    bool seeks_surrogates = false;                     // Spans.surrogates is wanted
};

struct Document {
    Text text;
    bool prepared = false;          // its characters are as they are counted
    const Spans* tokens = nullptr;  // they have been found elsewhere, and lie with
                                    // a space between them
};

// Asks now and then for Ctrl-C, after so many parts of work.
class Poll {
public:
    Poll(Interruption& interruption, int thread) : interruption_(interruption), thread_(thread) {}
    void operator()(size_t work) {
        if (work < left_) {
            left_ -= work;
            return;
        }
        left_ = kParts;
        if (interruption_.stops(thread_)) throw Interrupted{};
    }

private:
    static constexpr size_t kParts = 1 << 15;
    Interruption& interruption_;
    int thread_;
    size_t left_ = kParts;
};

// One for each thread.
class Analyzer {
public:
    explicit Analyzer(const AnalyzerRules& rules) : rules_(rules) {}

    const Spans& operator()(const Document& document, Poll& poll) {
        const Spans& spans = analyzed(document, poll);
        if (rules_.seeks_surrogates && &spans == &spans_)
            spans_.surrogates = document.tokens ? document.tokens->surrogates : has_surrogates(document.text);
        return spans;
    }

private:
    const AnalyzerRules& rules_;
    Spans spans_;
    std::vector<Span> tokens_;
    Offsets offsets_;

    const Spans& analyzed(const Document& document, Poll& poll) {
        const auto& characters = *(document.prepared ? rules_.as_is : rules_.characters);
        poll(document.text.length / 4 + 1);
        if (rules_.units == Units::kChars || rules_.units == Units::kCharsInWords) {
            of_width(document.text, [&](auto* in) {
                auto ngrams = rules_.units == Units::kChars ? char_ngrams<std::remove_cvref_t<decltype(*in)>>
                                                            : char_wb_ngrams<std::remove_cvref_t<decltype(*in)>>;
                ngrams(in, document.text.length, characters, rules_.range, offsets_, spans_);
            });
            return spans_;
        }
        bool joins = rules_.units == Units::kWordNgrams && rules_.range.high > 1;
        if (document.tokens) {
            if (!joins && !rules_.stop_words) return *document.tokens;
            spans_ = *document.tokens;
        } else {
            bool lower = rules_.lower && !document.prepared;
            tokenize(document.text, characters, lower, rules_.token, joins, spans_);
        }
        if (rules_.stop_words) drop_stop_words(poll);
        if (joins) join();
        return spans_;
    }

    static bool has_surrogates(const Text& text) {
        if (text.width == 1) return false;
        return of_width(text, [&](auto* in) {
            unsigned found = 0;
            for (size_t i = 0; i < text.length; ++i) found |= (in[i] & ~0x7FFu) == 0xD800;
            return found != 0;
        });
    }

    // What is left lies again with a space between its tokens.
    void drop_stop_words(Poll& poll) {
        tokens_.swap(spans_.parts);
        spans_.parts.clear();
        uint8_t* out = spans_.text.data();
        for (const Span& token : tokens_) {
            const uint8_t* p = spans_.text.data() + token.begin;
            if (rules_.stop_words->has(p, token.length)) continue;
            std::memmove(out, p, token.length);
            spans_.parts.push_back({static_cast<uint32_t>(out - spans_.text.data()), token.length});
            out += token.length;
            *out++ = ' ';
        }
        poll(tokens_.size());
    }

    void join() {
        tokens_.swap(spans_.parts);
        spans_.parts.clear();
        for (size_t n = rules_.range.low; n <= std::min(rules_.range.high, tokens_.size()); ++n)
            for (size_t i = 0; i + n <= tokens_.size(); ++i) {
                uint32_t begin = tokens_[i].begin, end = tokens_[i + n - 1].begin + tokens_[i + n - 1].length;
                spans_.parts.push_back({begin, end - begin});
            }
    }
};
