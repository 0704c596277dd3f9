// Counts of terms by document, of all documents of a fit.
#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "base/interrupt.hpp"
#include "base/parallel.hpp"
#include "features/string_table.hpp"
#include "features/text_analyzer.hpp"
#include "features/text_cells.hpp"
#include "features/text_weights.hpp"

// The counts of some documents that follow each other: of one document each id
// once.
struct Chunk {
    struct Entry {
        uint32_t id, count;
    };
    std::vector<Entry> entries;
    std::vector<uint32_t> ends;  // of each document
};

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

// All documents. Ids count terms, and what they begin with, in the order of
// their first sight; columns are the ids of `order`, first those of all terms
// in that order.
template <class Terms>
class Counts {
public:
    explicit Counts(Terms terms) : counter_(std::move(terms)) {}

    size_t n_documents() const { return n_documents_; }
    const Terms& terms() { return counter_.terms(); }

    void add(const std::vector<Document>& documents, const AnalyzerRules& rules, const Terms& none, int n_threads) {
        n_documents_ += documents.size();
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
    }

    // All documents are there: columns are terms.
    void finish() {
        const Terms& all = terms();
        n_ids_ = all.size();
        for (uint32_t id = 0; id < all.size(); ++id)
            if (all.is_term(id)) order_.push_back(id);
    }

    size_t n_columns() const { return order_.size(); }

    // By column: documents that have it, or how often it occurs.
    std::vector<int64_t> totals(bool of_documents) {
        std::vector<int64_t> by_id(n_ids_), result(order_.size());
        for (const auto& chunk : chunks_)
            for (const auto& entry : chunk.entries) by_id[entry.id] += of_documents ? 1 : entry.count;
        for (size_t i = 0; i < order_.size(); ++i) result[i] = by_id[order_[i]];
        return result;
    }

    uint32_t largest() const {
        uint32_t most = 0;
        for (const auto& chunk : chunks_)
            for (const auto& entry : chunk.entries) most = std::max(most, entry.count);
        return most;
    }

    // Keep some columns.
    void keep(const uint8_t* kept) {
        std::vector<uint32_t> rest;
        for (size_t i = 0; i < order_.size(); ++i)
            if (kept[i]) rest.push_back(order_[i]);
        pruned_ = pruned_ || rest.size() < order_.size();
        order_ = std::move(rest);
    }

    // Put the columns in the order of their strings.
    void sort() {
        if (!pruned_) {
            order_ = ordered(terms().sorted(), [&](uint32_t id) { return terms().is_term(id) ? id : kNone; });
            return;
        }
        std::vector<bool> kept(n_ids_);
        for (uint32_t id : order_) kept[id] = true;
        auto [rest, ids] = terms().kept(kept);
        std::vector<uint32_t> before(rest.size(), kNone);
        for (uint32_t id = 0; id < ids.size(); ++id)
            if (kept[id]) before[ids[id]] = id;
        order_ = ordered(rest.sorted(), [&](uint32_t id) { return before[id]; });
    }

    // The terms that are columns, and the column of each id of theirs.
    std::pair<Terms, std::vector<uint32_t>> take_terms() {
        std::vector<uint32_t> column(n_ids_, kNone);
        for (size_t i = 0; i < order_.size(); ++i) column[order_[i]] = static_cast<uint32_t>(i);
        if (!pruned_) return {std::move(counter_.terms()), std::move(column)};
        std::vector<bool> kept(column.size());
        for (uint32_t id : order_) kept[id] = true;
        auto [rest, ids] = terms().kept(kept);
        std::vector<uint32_t> columns(rest.size(), kNone);
        for (uint32_t id = 0; id < ids.size(); ++id)
            if (ids[id] != kNone) columns[ids[id]] = column[id];
        return {std::move(rest), std::move(columns)};
    }

    // The ends of the rows of the matrix, the first being 0.
    std::vector<int64_t> row_ends() {
        std::vector<int64_t> ends = {0};
        ends.reserve(n_documents_ + 1);
        std::vector<bool> kept(n_ids_, !pruned_);
        if (pruned_)
            for (uint32_t id : order_) kept[id] = true;
        for (const auto& chunk : chunks_) {
            size_t k = 0;
            for (uint32_t end : chunk.ends) {
                int64_t n = pruned_ ? 0 : end - k;
                if (pruned_)
                    for (; k < end; ++k) n += kept[chunk.entries[k].id];
                k = end;
                ends.push_back(ends.back() + n);
            }
        }
        return ends;
    }

    // Rows in the order of columns; their norms are summed in the order of ids,
    // as scikit-learn does.
    template <class T, class I>
    void write(const Weights<T>& weights, const int64_t* ends, T* data, I* indices, int n_threads) {
        std::vector<uint32_t> column(n_ids_, kNone);
        for (size_t i = 0; i < order_.size(); ++i) column[order_[i]] = static_cast<uint32_t>(i);
        std::vector<Group> groups = cut(kCells);
        std::atomic<size_t> next = 0;
        Interruption interruption;
        parallel(std::min<int>(n_threads, static_cast<int>(std::max<size_t>(groups.size(), 1))), [&](int t) {
            GroupWriter<T, I> write{weights, column, static_cast<int>(std::bit_width(order_.size())), data, indices};
            for (size_t i; (i = next++) < groups.size();) {
                if (interruption.stops(t)) throw Interrupted{};
                write(groups[i], ends + groups[i].row);
            }
        });
    }

private:
    // Some documents of a chunk.
    struct Group {
        const Chunk::Entry* entries;
        const uint32_t* ends;
        size_t begin;  // of the entries of the first document, as `ends`
        size_t n;
        size_t row;  // of the first document in the matrix
    };

    // One for each thread.
    template <class T, class I>
    struct GroupWriter {
        const Weights<T>& weights;
        const std::vector<uint32_t>& column;  // by id
        int bits;                             // of a column
        T* data;
        I* indices;
        std::vector<Cell> cells = {}, scratch = {};
        std::vector<double> norms = {};
        std::vector<int64_t> places = {};

        void operator()(const Group& group, const int64_t* row_ends) {
            cells.clear();
            for (size_t d = 0, k = group.begin; d < group.n; ++d)
                for (; k < group.ends[d]; ++k)
                    if (auto [id, count] = group.entries[k]; column[id] != kNone)
                        cells.push_back({id, static_cast<uint32_t>(d), count});
            if (weights.norm != Norm::kNone) sum_norms(group.n);
            for (Cell& cell : cells) cell.column = column[cell.column];
            sort_by_column(cells, scratch, bits);
            places.assign(row_ends, row_ends + group.n);
            for (auto [j, document, count] : cells) {
                T value = weights.value(count, j);
                int64_t place = places[document]++;
                indices[place] = static_cast<I>(j);
                data[place] = weights.norm == Norm::kNone ? value : static_cast<T>(value / norms[document]);
            }
        }

        void sum_norms(size_t n_documents) {
            sort_by_column(cells, scratch, std::bit_width(column.size()));
            norms.assign(n_documents, 0);
            for (auto [id, document, count] : cells) norms[document] += weights.part(weights.value(count, column[id]));
            for (double& norm : norms) norm = weights.divisor(norm);
        }
    };

    Counter<Terms> counter_;
    std::vector<Chunk> chunks_;
    std::vector<uint32_t> order_;
    size_t n_documents_ = 0, n_ids_ = 0;
    bool pruned_ = false;

    template <class IdOf>
    static std::vector<uint32_t> ordered(std::vector<uint32_t> ids, IdOf id_of) {
        size_t n = 0;
        for (uint32_t id : ids)
            if ((ids[n] = id_of(id)) != kNone) ++n;
        ids.resize(n);
        return ids;
    }

    std::vector<Group> cut(size_t most) const {
        std::vector<Group> groups;
        size_t row = 0;
        for (const auto& chunk : chunks_)
            for (size_t d = 0; d < chunk.ends.size();) {
                Group group = {chunk.entries.data(), chunk.ends.data() + d, d ? chunk.ends[d - 1] : 0, 0, row};
                while (d < chunk.ends.size() && (group.n == 0 || chunk.ends[d] - group.begin <= most)) ++group.n, ++d;
                row += group.n;
                groups.push_back(group);
            }
        return groups;
    }
};
