// A table of the counts of terms by document, and the matrix that it becomes.
#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/interrupt.hpp"
#include "base/parallel.hpp"
#include "features/string_table.hpp"
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

// Ids count terms in the order of their first sight in these documents; columns
// are the ids of `order_`.
class CountTable {
public:
    size_t n_documents() const { return n_documents_; }
    size_t n_ids() const { return n_ids_; }
    size_t n_columns() const { return order_.size(); }

    // The entries of each document, in the order of their first sight there.
    std::vector<std::pair<const Chunk::Entry*, const Chunk::Entry*>> documents() const {
        std::vector<std::pair<const Chunk::Entry*, const Chunk::Entry*>> entries;
        entries.reserve(n_documents_);
        for (const auto& chunk : chunks_) {
            const Chunk::Entry* begin = chunk.entries.data();
            for (uint32_t end : chunk.ends) {
                entries.emplace_back(begin, chunk.entries.data() + end);
                begin = chunk.entries.data() + end;
            }
        }
        return entries;
    }

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

    // The ends of the rows of the matrix, the first being 0.
    std::vector<int64_t> row_ends() {
        std::vector<int64_t> ends = {0};
        ends.reserve(n_documents_ + 1);
        std::vector<bool> kept = kept_ids();
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

    // Rows in the order of columns, or of ids; their norms are summed in the order
    // of ids, as scikit-learn does.
    template <class T, class I>
    void write(const Weights<T>& weights, const int64_t* ends, bool by_id, T* data, I* indices, int n_threads) {
        std::vector<uint32_t> column = column_by_id();
        std::vector<Group> groups = cut(kCells);
        std::atomic<size_t> next = 0;
        Interruption interruption;
        parallel(std::min<int>(n_threads, static_cast<int>(std::max<size_t>(groups.size(), 1))), [&](int t) {
            int bits = static_cast<int>(std::bit_width(order_.size()));
            GroupWriter<T, I> write{weights, column, bits, by_id, data, indices};
            for (size_t i; (i = next++) < groups.size();) {
                if (interruption.stops(t)) throw Interrupted{};
                write(groups[i], ends + groups[i].row);
            }
        });
    }

protected:
    std::vector<Chunk> chunks_;
    std::vector<uint32_t> order_;
    size_t n_documents_ = 0, n_ids_ = 0;
    bool pruned_ = false;

    // Put the columns in the order of `sorted`, of which the ids are id_of.
    template <class IdOf>
    void put_in_order(std::vector<uint32_t> sorted, IdOf id_of) {
        size_t n = 0;
        for (uint32_t id : sorted)
            if ((sorted[n] = id_of(id)) != kNone) ++n;
        sorted.resize(n);
        order_ = std::move(sorted);
    }

    std::vector<uint32_t> column_by_id() const {
        std::vector<uint32_t> column(n_ids_, kNone);
        for (size_t i = 0; i < order_.size(); ++i) column[order_[i]] = static_cast<uint32_t>(i);
        return column;
    }

    std::vector<bool> kept_ids() const {
        std::vector<bool> kept(n_ids_, !pruned_);
        if (pruned_)
            for (uint32_t id : order_) kept[id] = true;
        return kept;
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
        bool by_id;
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
            if (by_id || weights.norm != Norm::kNone)
                sort_by_column(cells, scratch, static_cast<int>(std::bit_width(column.size())));
            if (weights.norm != Norm::kNone) sum_norms(group.n);
            for (Cell& cell : cells) cell.column = column[cell.column];
            if (!by_id) sort_by_column(cells, scratch, bits);
            places.assign(row_ends, row_ends + group.n);
            for (auto [j, document, count] : cells) {
                T value = weights.value(count, j);
                int64_t place = places[document]++;
                indices[place] = static_cast<I>(j);
                data[place] = weights.norm == Norm::kNone ? value : static_cast<T>(value / norms[document]);
            }
        }

        // Of cells by id.
        void sum_norms(size_t n_documents) {
            norms.assign(n_documents, 0);
            for (auto [id, document, count] : cells) norms[document] += weights.part(weights.value(count, column[id]));
            for (double& norm : norms) norm = weights.divisor(norm);
        }
    };

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
