// The rows of a minibatch's gradient for a chain.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/objective.hpp"
#include "base/touched_columns.hpp"
#include "chain/parameter_layout.hpp"

// Lists the rows: the weights of the touched features, then transitions, boundaries and triples.
template <class T>
class ChainRows {
public:
    explicit ChainRows(const ChainLayout<T>& layout) : layout_(layout) {}

    // Begins with the rows of the touched columns.
    void begin(const int64_t* columns, size_t n, RowGradient<T>& out) {
        offset_.resize(n + 1);
        offset_[0] = 0;
        for (size_t r = 0; r < n; ++r)
            offset_[r + 1] =
                offset_[r] + (layout_.observed() ? layout_.first[columns[r] + 1] - layout_.first[columns[r]] : 1);
        columns_ = columns;
        size_t tail = (layout_.observed() ? layout_.n_transitions : layout_.K) +
                      (layout_.boundaries ? layout_.observed() ? 2 * layout_.K : 2 : 0) + layout_.triple_rows();
        out.size = offset_[n] + tail;
        reserve(out.rows, out.size);
        reserve(out.share, out.size);
        reserve(out.values, out.size * layout_.n_outputs());
        std::fill(out.values.begin() + offset_[n] * layout_.n_outputs(),
                  out.values.begin() + out.size * layout_.n_outputs(), T(0));
        for (size_t r = 0; r < n; ++r)
            for (size_t i = offset_[r]; i < offset_[r + 1]; ++i)
                out.rows[i] = layout_.observed() ? layout_.first[columns[r]] + (i - offset_[r]) : columns[r];
    }

    void set_share(size_t r, T share, RowGradient<T>& out) const {
        for (size_t i = offset_[r]; i < offset_[r + 1]; ++i) out.share[i] = share;
    }

    // Sets the gradient of the r-th touched feature from a row of labels.
    void set_values(size_t r, const T* row, RowGradient<T>& out) const {
        layout_.compress(row, columns_[r], out.values.data() + offset_[r] * layout_.n_outputs());
    }

    // Ends with the rows of transitions, boundaries and triples; the last ones share what transitions do.
    void end(const TailGradient& tail, T share_pairs, T share_boundaries, RowGradient<T>& out) const {
        size_t r = offset_.back();
        if (layout_.observed()) {
            for (size_t q = 0; q < layout_.n_transitions; ++q, ++r) {
                set_row(r, layout_.transition(q), share_pairs, out);
                out.values[r] = static_cast<T>(tail.pairs[layout_.transitions[q]]);
            }
        } else {
            for (size_t i = 0; i < layout_.K; ++i) set_row(r + i, layout_.n_features + i, share_pairs, out);
            for (size_t q = 0; q < layout_.n_transitions; ++q)
                out.values[r * layout_.K + layout_.transitions[q]] = static_cast<T>(tail.pairs[layout_.transitions[q]]);
            r += layout_.K;
        }
        const size_t last = out.size - layout_.triple_rows();
        for (size_t i = 0; i < layout_.triple_rows(); ++i)
            set_row(last + i, layout_.first_triple() / layout_.n_outputs() + i, share_pairs, out);
        layout_.pack_triples(tail, out.values.data() + last * layout_.n_outputs());
        if (!layout_.boundaries) return;
        if (layout_.observed()) {
            for (size_t k = 0; k < 2 * layout_.K; ++k) set_row(r + k, layout_.start() + k, share_boundaries, out);
        } else {
            for (size_t i = 0; i < 2; ++i) set_row(r + i, layout_.n_features + layout_.K + i, share_boundaries, out);
        }
        T* values = out.values.data() + r * layout_.n_outputs();
        for (size_t k = 0; k < layout_.K; ++k) {
            values[k] = static_cast<T>(tail.start[k]);
            values[layout_.K + k] = static_cast<T>(tail.end[k]);
        }
    }

private:
    static void set_row(size_t r, size_t row, T share, RowGradient<T>& out) { out.rows[r] = row, out.share[r] = share; }

    const ChainLayout<T>& layout_;
    std::vector<size_t> offset_;
    const int64_t* columns_ = nullptr;
};
