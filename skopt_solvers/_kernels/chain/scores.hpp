// The scores of tokens under rows of weights, and the gradient with respect to these rows.
#pragma once
#include <cstddef>

#include "base/column_ranges.hpp"
#include "base/csr.hpp"
#include "base/vectors.hpp"

constexpr size_t kNonZerosAhead = 24;  // between the call of a row of weights and its use

// Calls N vectors.
template <int N, class T>
inline void call(const T* row) {
    UNROLLED_FOR (size_t byte = 0; byte < N * kVectorBytes; byte += 64)
        __builtin_prefetch(reinterpret_cast<const char*>(row) + byte);
}

// Tells how far ahead of row `end` the indices of X may be read.
template <class T, class I>
inline size_t ahead_of(const Csr<T, I>& X, size_t end) {
    return static_cast<size_t>(X.indptr[end]) + kNonZerosAhead <= X.n_entries() ? kNonZerosAhead : 0;
}

// Computes N vectors of the scores of rows [begin, end) of X, whose values are not read where all are one.
template <int N, bool ones, class T, class I>
void gather_tile(const Csr<T, I>& X, size_t begin, size_t end, const T* W, size_t width, T* z) {
    const size_t ahead = ahead_of(X, end);
    size_t p = X.indptr[begin];
    for (size_t i = begin; i < end; ++i, z += width) {
        Vec<T> sum[N] = {};
        for (const size_t last = X.indptr[i + 1]; p < last; ++p) {
            call<N>(W + static_cast<size_t>(X.indices[p + ahead]) * width);
            const T* row = W + static_cast<size_t>(X.indices[p]) * width;
            UNROLLED_FOR (int v = 0; v < N; ++v) {
                if constexpr (ones)
                    sum[v] += at(row + v * kLanes<T>);
                else
                    sum[v] += X.data[p] * at(row + v * kLanes<T>);
            }
        }
        UNROLLED_FOR (int v = 0; v < N; ++v) at(z + v * kLanes<T>) = sum[v];
    }
}

// Computes z, rows of `width`, as rows [begin, end) of X times W.
template <class T, class I>
void gather_scores(const Csr<T, I>& X, size_t begin, size_t end, const T* W, size_t width, T* z) {
    in_tiles(width / kLanes<T>, [&]<int N>(size_t v) {
        const size_t k = v * kLanes<T>;
        if (X.data)
            gather_tile<N, false>(X, begin, end, W + k, width, z + k);
        else
            gather_tile<N, true>(X, begin, end, W + k, width, z + k);
    });
}

// Adds N vectors of X^T D to G, for the columns of range t in rows [begin, end) of X.
template <int N, bool ones, class T, class I>
void scatter_tile(const Csr<T, I>& X, const ColumnRanges& ranges, int t, size_t begin, size_t end, const T* D,
                  size_t width, T* G) {
    const bool whole = ranges.n == 1;
    const size_t ahead = whole ? ahead_of(X, end) : 0;
    for (size_t i = begin; i < end; ++i, D += width) {
        Vec<T> d[N];
        UNROLLED_FOR (int v = 0; v < N; ++v) d[v] = at(D + v * kLanes<T>);
        if (!whole && i + 2 < end)
            for (auto [p, last] = ranges.of_row(X, i + 2, t); p < last; ++p)
                call<N>(G + static_cast<size_t>(X.indices[p]) * width);
        for (auto [p, last] = ranges.of_row(X, i, t); p < last; ++p) {
            if (whole) call<N>(G + static_cast<size_t>(X.indices[p + ahead]) * width);
            T* row = G + static_cast<size_t>(X.indices[p]) * width;
            UNROLLED_FOR (int v = 0; v < N; ++v) {
                if constexpr (ones)
                    at(row + v * kLanes<T>) += d[v];
                else
                    at(row + v * kLanes<T>) += X.data[p] * d[v];
            }
        }
    }
}

// Adds X^T D to G, for the columns of range t in rows [begin, end) of X.
template <class T, class I>
void scatter_scores(const Csr<T, I>& X, const ColumnRanges& ranges, int t, size_t begin, size_t end, const T* D,
                    size_t width, T* G) {
    in_tiles(width / kLanes<T>, [&]<int N>(size_t v) {
        const size_t k = v * kLanes<T>;
        if (X.data)
            scatter_tile<N, false>(X, ranges, t, begin, end, D + k, width, G + k);
        else
            scatter_tile<N, true>(X, ranges, t, begin, end, D + k, width, G + k);
    });
}
