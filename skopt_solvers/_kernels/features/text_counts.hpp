// Counts of terms by document, of all documents of a fit.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/interrupt.hpp"
#include "base/parallel.hpp"
#include "features/text_analyzer.hpp"
#include "features/text_count_table.hpp"
#include "features/text_selection.hpp"

// Cut documents into n parts of about as many characters.
inline std::vector<size_t> equal_parts(const std::vector<Document>& documents, int n) {
    double total = 0, sum = 0;
    for (const auto& d : documents) total += d.tokens ? d.tokens->parts.size() : d.text.length;
    std::vector<size_t> cuts = {0};
    for (size_t i = 0; i < documents.size() && static_cast<int>(cuts.size()) < n; ++i) {
        sum += documents[i].tokens ? documents[i].tokens->parts.size() : documents[i].text.length;
        if (sum * n >= total * cuts.size()) cuts.push_back(i + 1);
    }
    cuts.resize(n + 1, documents.size());
    return cuts;
}

// Counts by one thread, with a table of its own.
template <class Terms>
class Counter {
public:
    explicit Counter(Terms terms) : terms_(std::move(terms)) {}

    Terms& terms() { return terms_; }

    void count(const Document* documents, size_t n, Analyzer& analyze, std::vector<Chunk>& chunks, Poll& poll) {
        chunks.emplace_back();
        for (size_t i = 0; i < n; ++i) {
            if (chunks.back().entries.size() > kEntries) {
                advance(chunks.back().entries.size());
                chunks.emplace_back();
            }
            auto& entries = chunks.back().entries;
            uint32_t base = base_, begin = base + static_cast<uint32_t>(entries.size());
            terms_.count(
                analyze(documents[i], poll),
                [&entries, base, begin](auto& slot) {
                    if (slot.last > begin) {
                        ++entries[slot.last - 1 - base].count;
                    } else {
                        entries.push_back({slot.id, 1});
                        slot.last = base + static_cast<uint32_t>(entries.size());
                    }
                },
                poll);
            chunks.back().ends.push_back(static_cast<uint32_t>(entries.size()));
        }
        advance(chunks.back().entries.size());
    }

private:
    static constexpr size_t kEntries = size_t(1) << 30;
    Terms terms_;
    uint32_t base_ = 0;  // of the places of the next chunk

    void advance(size_t n) {
        base_ += static_cast<uint32_t>(n);
        if (base_ < kEntries) return;
        terms_.forget_places();
        base_ = 0;
    }
};

// All documents. Ids also count what terms begin with; columns are at first all
// terms, in the order of their first sight.
template <class Terms>
class Counts : public CountTable {
public:
    explicit Counts(Terms terms) : counter_(std::move(terms)) {}

    const Terms& terms() { return counter_.terms(); }

    void add(const std::vector<Document>& documents, const AnalyzerRules& rules, const Terms& none, int n_threads) {
        std::vector<size_t> cuts = equal_parts(documents, n_threads);
        std::vector<std::vector<Chunk>> chunks(n_threads);
        std::vector<Counter<Terms>> others(n_threads - 1, Counter<Terms>(none));
        Interruption interruption;
        parallel(n_threads, [&](int t) {
            Analyzer analyze(rules);
            Poll poll(interruption, t);
            auto& counter = t == 0 ? counter_ : others[t - 1];
            counter.count(documents.data() + cuts[t], cuts[t + 1] - cuts[t], analyze, chunks[t], poll);
        });
        std::vector<std::vector<uint32_t>> ids(n_threads);
        for (int t = 1; t < n_threads; ++t) {
            ids[t] = counter_.terms().merge(others[t - 1].terms());
            if (interruption.stops(0)) throw Interrupted{};
        }
        parallel(n_threads, [&](int t) {
            if (t > 0)
                for (auto& chunk : chunks[t])
                    for (auto& entry : chunk.entries) entry.id = ids[t][entry.id];
        });
        for (auto& part : chunks)
            for (auto& chunk : part)
                if (!chunk.ends.empty()) chunks_.push_back(std::move(chunk));
        n_documents_ += documents.size();
    }

    // All documents of a call are there: columns are terms.
    void finish() {
        const Terms& all = terms();
        n_ids_ = all.size();
        order_.clear();
        for (uint32_t id = 0; id < all.size(); ++id)
            if (all.is_term(id)) order_.push_back(id);
    }

    // Put the columns in the order of their strings.
    void sort() {
        if (!pruned_) {
            put_in_order(terms().sorted(), [&](uint32_t id) { return terms().is_term(id) ? id : kNone; });
            return;
        }
        std::vector<bool> kept = kept_ids();
        auto [rest, ids] = terms().kept(kept);
        std::vector<uint32_t> before(rest.size(), kNone);
        for (uint32_t id = 0; id < ids.size(); ++id)
            if (kept[id]) before[ids[id]] = id;
        put_in_order(rest.sorted(), [&](uint32_t id) { return before[id]; });
    }

    // The counts of some documents, of terms of low to high units.
    Selection select(const int32_t* documents, size_t n, NgramRange range) {
        if (!sorted_ || sorted_for_ != n_ids_) {
            sorted_ = std::make_shared<const std::vector<uint32_t>>(terms().sorted());
            sorted_for_ = n_ids_;
        }
        std::vector<bool> wanted(n_ids_);
        for (uint32_t id = 0; id < n_ids_; ++id) {
            size_t length = terms().length(id);
            wanted[id] = terms().is_term(id) && length >= range.low && length <= range.high;
        }
        return Selection(*this, documents, n, sorted_, wanted);
    }

    // The terms that are columns, and the column of each id of theirs.
    std::pair<Terms, std::vector<uint32_t>> take_terms() {
        std::vector<uint32_t> column = column_by_id();
        if (!pruned_) return {std::move(counter_.terms()), std::move(column)};
        auto [rest, ids] = terms().kept(kept_ids());
        std::vector<uint32_t> columns(rest.size(), kNone);
        for (uint32_t id = 0; id < ids.size(); ++id)
            if (ids[id] != kNone) columns[ids[id]] = column[id];
        return {std::move(rest), std::move(columns)};
    }

private:
    Counter<Terms> counter_;
    std::shared_ptr<const std::vector<uint32_t>> sorted_;  // all ids, of which there were sorted_for_
    size_t sorted_for_ = 0;
};
