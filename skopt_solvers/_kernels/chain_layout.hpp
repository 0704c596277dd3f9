// Where the parameters of a chain lie in the table W.
//
// All pairs: rows of K values, first the features, then the K rows of transitions (row: from, column: to), then start and
// end. Observed pairs: rows of one value, first the (feature, label) pairs grouped by feature, then the listed
// transitions, then start and end.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "csr.hpp"
#include "lattice.hpp"
#include "objective.hpp"
#include "touched.hpp"

template <class T>
struct ChainLayout {
    size_t n_features, K;
    bool boundaries;
    const int64_t* first;        // pairs [first[j], first[j + 1]) belong to feature j; null for all pairs
    const int32_t* label;        // of a pair
    const int32_t* transitions;  // K from + to of each transition that has a weight
    size_t n_transitions;
    const uint8_t* allowed;  // K x K, then K of start and K of end; not bool, of which a byte may be no value

    bool observed() const { return first != nullptr; }
    size_t n_outputs() const { return observed() ? 1 : K; }
    size_t n_states() const { return observed() ? first[n_features] : n_features * K; }
    size_t transition(size_t q) const { return n_states() + (observed() ? q : transitions[q]); }
    size_t start() const { return n_states() + (observed() ? n_transitions : K * K); }
    size_t size() const { return start() + (boundaries ? 2 * K : 0); }
    template <class P>
    P* weights_of(P* W, size_t j) const {
        return W + (observed() ? first[j] : j * K);
    }

    void unpack(const T* W, Transitions<T>& chain) const {
        constexpr T never = -std::numeric_limits<T>::infinity();
        const size_t width = chain.width;
        for (size_t i = 0; i < K; ++i)
            for (size_t j = 0; j < K; ++j) chain.log[i * width + j] = allowed[i * K + j] ? T(0) : never;
        for (size_t q = 0; q < n_transitions; ++q) {
            size_t i = transitions[q] / K, j = transitions[q] % K;
            if (allowed[i * K + j]) chain.log[i * width + j] = W[transition(q)];
        }
        for (size_t k = 0; k < K; ++k) {
            chain.log_start[k] = !allowed[K * K + k] ? never : boundaries ? W[start() + k] : T(0);
            chain.log_end[k] = !allowed[K * K + K + k] ? never : boundaries ? W[start() + K + k] : T(0);
        }
        chain.exponentiate();
    }

    // The gradient of transitions and boundaries into G.
    void pack(const std::vector<double>& pairs, const std::vector<double>& start_sum, const std::vector<double>& end_sum, T* G) const {
        if (!observed()) std::fill(G + n_states(), G + start(), T(0));
        for (size_t q = 0; q < n_transitions; ++q) G[transition(q)] = static_cast<T>(pairs[transitions[q]]);
        for (size_t k = 0; boundaries && k < K; ++k) {
            G[start() + k] = static_cast<T>(start_sum[k]);
            G[start() + K + k] = static_cast<T>(end_sum[k]);
        }
    }

    // The weights of feature j to a row of `K` labels; labels without a weight stay as they are.
    void expand(const T* W, size_t j, T* row) const {
        if (!observed()) {
            for (size_t k = 0; k < K; ++k) row[k] = W[j * K + k];
        } else {
            for (int64_t p = first[j]; p < first[j + 1]; ++p) row[label[p]] = W[p];
        }
    }

    // The same back, to the place of the feature's weights.
    void compress(const T* row, size_t j, T* weights) const {
        if (!observed()) {
            for (size_t k = 0; k < K; ++k) weights[k] = row[k];
        } else {
            for (int64_t p = first[j]; p < first[j + 1]; ++p) *weights++ = row[label[p]];
        }
    }

    // z += sum_p x_p W[index_p]
    template <class I>
    void gather(const I* index, const T* x, size_t n, const T* W, T* z) const {
        if (!observed()) return ::gather(index, x, n, W, K, z);
        for (size_t p = 0; p < n; ++p)
            for (int64_t q = first[index[p]]; q < first[index[p] + 1]; ++q) z[label[q]] += x[p] * W[q];
    }

    // One value a row of features, one for all transitions and one for the boundaries, as a value a row of the table.
    void spread(const double* features, double pairs, double ends, double* out) const {
        size_t r = 0;
        for (size_t j = 0; j < n_features; ++j)
            for (size_t i = 0; i < (observed() ? static_cast<size_t>(first[j + 1] - first[j]) : 1); ++i) out[r++] = features[j];
        for (size_t i = 0; i < (observed() ? n_transitions : K); ++i) out[r++] = pairs;
        for (size_t i = 0; boundaries && i < (observed() ? 2 * K : 2); ++i) out[r++] = ends;
    }
};

// The (column, label) pairs that occur in rows with a label: label[first[j]] to label[first[j + 1]] are those of column j.
template <class I>
std::vector<int32_t> observed_pairs(const I* indptr, const I* indices, const int32_t* labels, size_t n_rows, size_t n_columns, size_t K, int64_t* first) {
    std::vector<uint64_t> seen((n_columns * K + 63) / 64, 0);
    for (size_t i = 0; i < n_rows; ++i) {
        if (labels[i] == kAnyLabel) continue;
        for (I p = indptr[i]; p < indptr[i + 1]; ++p) {
            size_t pair = static_cast<size_t>(indices[p]) * K + labels[i];
            seen[pair / 64] |= uint64_t(1) << (pair % 64);
        }
    }
    std::vector<int32_t> label;
    size_t j = 0;
    first[0] = 0;
    for (size_t word = 0; word < seen.size(); ++word)
        for (uint64_t bits = seen[word]; bits; bits &= bits - 1) {
            size_t pair = word * 64 + __builtin_ctzll(bits);
            while (j < pair / K) first[++j] = static_cast<int64_t>(label.size());
            label.push_back(static_cast<int32_t>(pair % K));
        }
    while (j < n_columns) first[++j] = static_cast<int64_t>(label.size());
    return label;
}

// The rows of a minibatch's gradient: the weights of the touched features, then transitions and boundaries.
template <class T>
class ChainRows {
public:
    explicit ChainRows(const ChainLayout<T>& layout) : layout_(layout) {}

    // Those of the touched columns.
    void begin(const int64_t* columns, size_t n, RowGradient<T>& out) {
        offset_.resize(n + 1);
        offset_[0] = 0;
        for (size_t r = 0; r < n; ++r) offset_[r + 1] = offset_[r] + (layout_.observed() ? layout_.first[columns[r] + 1] - layout_.first[columns[r]] : 1);
        columns_ = columns;
        size_t tail = (layout_.observed() ? layout_.n_transitions : layout_.K) + (layout_.boundaries ? layout_.observed() ? 2 * layout_.K : 2 : 0);
        out.size = offset_[n] + tail;
        reserve(out.rows, out.size);
        reserve(out.share, out.size);
        reserve(out.values, out.size * layout_.n_outputs());
        std::fill(out.values.begin() + offset_[n] * layout_.n_outputs(), out.values.begin() + out.size * layout_.n_outputs(), T(0));
        for (size_t r = 0; r < n; ++r)
            for (size_t i = offset_[r]; i < offset_[r + 1]; ++i) out.rows[i] = layout_.observed() ? layout_.first[columns[r]] + (i - offset_[r]) : columns[r];
    }

    void set_share(size_t r, T share, RowGradient<T>& out) const {
        for (size_t i = offset_[r]; i < offset_[r + 1]; ++i) out.share[i] = share;
    }

    // The gradient of the r-th touched feature, from a row of labels.
    void set_values(size_t r, const T* row, RowGradient<T>& out) const {
        layout_.compress(row, columns_[r], out.values.data() + offset_[r] * layout_.n_outputs());
    }

    // Those of transitions and boundaries.
    void end(const std::vector<double>& pairs, const std::vector<double>& start_sum, const std::vector<double>& end_sum, T share_pairs,
                  T share_boundaries, RowGradient<T>& out) const {
        size_t r = offset_.back();
        if (layout_.observed()) {
            for (size_t q = 0; q < layout_.n_transitions; ++q, ++r) set_row(r, layout_.transition(q), share_pairs, out), out.values[r] = static_cast<T>(pairs[layout_.transitions[q]]);
        } else {
            for (size_t i = 0; i < layout_.K; ++i) set_row(r + i, layout_.n_features + i, share_pairs, out);
            for (size_t q = 0; q < layout_.n_transitions; ++q) out.values[r * layout_.K + layout_.transitions[q]] = static_cast<T>(pairs[layout_.transitions[q]]);
            r += layout_.K;
        }
        if (!layout_.boundaries) return;
        if (layout_.observed()) {
            for (size_t k = 0; k < 2 * layout_.K; ++k) set_row(r + k, layout_.start() + k, share_boundaries, out);
        } else {
            for (size_t i = 0; i < 2; ++i) set_row(r + i, layout_.n_features + layout_.K + i, share_boundaries, out);
        }
        T* values = out.values.data() + r * layout_.n_outputs();
        for (size_t k = 0; k < layout_.K; ++k) values[k] = static_cast<T>(start_sum[k]), values[layout_.K + k] = static_cast<T>(end_sum[k]);
    }

private:
    static void set_row(size_t r, size_t row, T share, RowGradient<T>& out) { out.rows[r] = row, out.share[r] = share; }

    const ChainLayout<T>& layout_;
    std::vector<size_t> offset_;
    const int64_t* columns_ = nullptr;
};
