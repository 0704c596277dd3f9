// The layout of the parameters of a chain in the table W.
//
// With all pairs it has rows of K values: first the features, then the K rows of transitions (from the row to the
// column), then start and end. With observed pairs it has rows of one value: first the (feature, label) pairs grouped
// by feature, then the listed transitions, then start and end. Last come the weights of the triples of a feature and
// two labels, one after another, filled up with zeros to whole rows.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/csr.hpp"
#include "base/vectors.hpp"
#include "chain/conditions.hpp"
#include "chain/transitions.hpp"

// Holds the gradient with respect to the scores of transitions, starts and ends, and to the weights of triples.
struct TailGradient {
    std::vector<double> pairs, start, end, triples;

    explicit TailGradient(size_t K, size_t n_triples)
        : pairs(K * K, 0.0), start(K, 0.0), end(K, 0.0), triples(n_triples, 0.0) {}

    // Adds the gradients with respect to the scores of a sequence's first and last token.
    template <class T>
    void add_ends(const T* first, const T* last) {
        for (size_t k = 0; k < start.size(); ++k) start[k] += first[k], end[k] += last[k];
    }
};

template <class T, class F = int64_t>
struct ChainLayout {
    size_t n_features, K;
    bool boundaries;
    const F* first;              // pairs [first[j], first[j + 1]) belong to feature j; null for all pairs
    const int32_t* label;        // of a pair
    const int32_t* transitions;  // K from + to of each transition that has a weight
    size_t n_transitions;
    const uint8_t* allowed;  // K x K, then K of start and K of end; not bool, of which a byte may be no value
    Triples triples;

    bool observed() const { return first != nullptr; }
    // Tells whether the rows of W are whole vectors of all labels, so that a pass reads them where they are.
    bool in_place() const { return !observed() && K == padded<T>(K); }
    size_t n_outputs() const { return observed() ? 1 : K; }
    size_t n_states() const { return observed() ? first[n_features] : n_features * K; }
    size_t transition(size_t q) const { return n_states() + (observed() ? q : transitions[q]); }
    size_t start() const { return n_states() + (observed() ? n_transitions : K * K); }
    size_t first_triple() const { return start() + (boundaries ? 2 * K : 0); }
    size_t triple_rows() const { return (triples.n + n_outputs() - 1) / n_outputs(); }
    size_t size() const { return first_triple() + triple_rows() * n_outputs(); }
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
        chain.triples = W + first_triple();
        chain.exponentiate();
    }

    // Writes the gradient of transitions, boundaries and triples into G.
    void pack(const TailGradient& tail, T* G) const {
        if (!observed()) std::fill(G + n_states(), G + start(), T(0));
        for (size_t q = 0; q < n_transitions; ++q) G[transition(q)] = static_cast<T>(tail.pairs[transitions[q]]);
        for (size_t k = 0; boundaries && k < K; ++k) {
            G[start() + k] = static_cast<T>(tail.start[k]);
            G[start() + K + k] = static_cast<T>(tail.end[k]);
        }
        pack_triples(tail, G + first_triple());
    }

    void pack_triples(const TailGradient& tail, T* G) const {
        for (size_t p = 0; p < triples.n; ++p) G[p] = static_cast<T>(tail.triples[p]);
        std::fill(G + triples.n, G + triple_rows() * n_outputs(), T(0));
    }

    // Writes the weights of feature j to a row of `K` labels. Labels without a weight stay as they are.
    void expand(const T* W, size_t j, T* row) const {
        if (!observed()) {
            for (size_t k = 0; k < K; ++k) row[k] = W[j * K + k];
        } else {
            for (F p = first[j]; p < first[j + 1]; ++p) row[label[p]] = W[p];
        }
    }

    // Writes them to a row of whole vectors, which is 0 where a label has no weight.
    void expand_padded(const T* W, size_t j, T* row) const {
        std::fill_n(row, padded<T>(K), T(0));
        expand(W, j, row);
    }

    // Writes the row back to the place of the feature's weights.
    void compress(const T* row, size_t j, T* weights) const {
        if (!observed()) {
            for (size_t k = 0; k < K; ++k) weights[k] = row[k];
        } else {
            for (F p = first[j]; p < first[j + 1]; ++p) *weights++ = row[label[p]];
        }
    }

    // Computes z += sum_p x_p W[index_p].
    template <class I>
    void gather(const I* index, const T* x, size_t n, const T* W, T* z) const {
        if (!observed()) return ::gather(index, x, n, W, K, z);
        for (size_t p = 0; p < n; ++p)
            for (F q = first[index[p]]; q < first[index[p] + 1]; ++q) z[label[q]] += x[p] * W[q];
    }

    // Writes one value a row of features, one for all transitions, one for the boundaries, and one a feature of triples
    // as a value a row of the table. A row that has triples of several features gets the mean.
    void spread(const double* features, double pairs, double ends, const double* conditions, double* out) const {
        size_t r = 0;
        for (size_t j = 0; j < n_features; ++j)
            for (size_t i = 0; i < (observed() ? static_cast<size_t>(first[j + 1] - first[j]) : 1); ++i)
                out[r++] = features[j];
        for (size_t i = 0; i < (observed() ? n_transitions : K); ++i) out[r++] = pairs;
        for (size_t i = 0; boundaries && i < (observed() ? 2 * K : 2); ++i) out[r++] = ends;
        std::fill_n(out + r, triple_rows(), 0.0);
        for (size_t p = 0, q = 0; p < triples.n; ++p) {
            while (static_cast<int64_t>(p) >= triples.first[q + 1]) ++q;
            out[r + p / n_outputs()] += conditions[q] / static_cast<double>(n_outputs());
        }
    }
};

// Returns the labels of the (column, label) pairs that occur in rows with a label. Those from first[j] to first[j + 1]
// are of column j.
template <class I>
std::vector<int32_t> observed_pairs(const I* indptr, const I* indices, const int32_t* labels, size_t n_rows,
                                    size_t n_columns, size_t K, int64_t* first) {
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
