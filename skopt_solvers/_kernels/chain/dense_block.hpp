// Features that every token has, as word vectors: a dense array beside the CSR of the other features.
#pragma once
#include <algorithm>
#include <cstddef>

#include "base/column_ranges.hpp"
#include "base/parallel.hpp"
#include "base/vectors.hpp"

// Has one row a token. Its columns are the last features: `first` is that of column 0.
template <class T>
struct DenseBlock {
    const T* data;  // row after row
    size_t first, n_columns;

    const T* row(size_t token) const { return data + token * n_columns; }
};

constexpr int kSums = 12;  // vectors of sums that a tile keeps in registers, beside what it multiplies

// Returns how many rows of sums a tile of N vectors has.
template <int N>
constexpr int rows_of_tile() {
    return std::clamp(kSums / N, 1, 4);
}

// Adds x W to N vectors of the scores of R tokens, whose rows of x are n long.
template <int R, int N, class T>
inline void dense_scores_tile(const T* x, size_t n, const T* W, size_t width, T* z) {
    Vec<T> sum[R][N];
    UNROLLED_FOR (int r = 0; r < R; ++r)
        UNROLLED_FOR (int v = 0; v < N; ++v) sum[r][v] = at(z + r * width + v * kLanes<T>);
    for (size_t j = 0; j < n; ++j, W += width)
        UNROLLED_FOR (int v = 0; v < N; ++v) {
            const Vec<T> w = at(W + v * kLanes<T>);
            UNROLLED_FOR (int r = 0; r < R; ++r) sum[r][v] += x[r * n + j] * w;
        }
    UNROLLED_FOR (int r = 0; r < R; ++r)
        UNROLLED_FOR (int v = 0; v < N; ++v) at(z + r * width + v * kLanes<T>) = sum[r][v];
}

// Adds to z, rows of `width`, the scores of tokens [begin, end) under W, the rows of weights of the block's columns.
// A score is a sum in the order of the columns, whatever tokens go together.
template <class T>
void add_dense_scores(const DenseBlock<T>& V, size_t begin, size_t end, const T* W, size_t width, T* z) {
    if (!V.n_columns) return;
    in_tiles(width / kLanes<T>, [&]<int N>(size_t v) {
        constexpr int R = rows_of_tile<N>();
        const size_t k = v * kLanes<T>;
        size_t i = begin;
        for (; i + R <= end; i += R)
            dense_scores_tile<R, N>(V.row(i), V.n_columns, W + k, width, z + (i - begin) * width + k);
        for (; i < end; ++i) dense_scores_tile<1, N>(V.row(i), V.n_columns, W + k, width, z + (i - begin) * width + k);
    });
}

// Adds to N vectors of the gradient of R columns, from x on, the products with n tokens.
template <int R, int N, class T>
inline void dense_gradient_tile(const T* x, size_t n_columns, size_t n, const T* D, size_t width, T* G) {
    Vec<T> sum[R][N];
    UNROLLED_FOR (int r = 0; r < R; ++r)
        UNROLLED_FOR (int v = 0; v < N; ++v) sum[r][v] = at(G + r * width + v * kLanes<T>);
    for (size_t i = 0; i < n; ++i, x += n_columns, D += width)
        UNROLLED_FOR (int v = 0; v < N; ++v) {
            const Vec<T> d = at(D + v * kLanes<T>);
            UNROLLED_FOR (int r = 0; r < R; ++r) sum[r][v] += x[r] * d;
        }
    UNROLLED_FOR (int r = 0; r < R; ++r)
        UNROLLED_FOR (int v = 0; v < N; ++v) at(G + r * width + v * kLanes<T>) = sum[r][v];
}

// Adds V^T D for tokens [begin, end) to columns [first, last) of the block, whose rows of the gradient begin at G with
// that of `first`. An entry is a sum in the order of the tokens, whatever columns go together.
template <class T>
void add_dense_gradient(const DenseBlock<T>& V, size_t first, size_t last, size_t begin, size_t end, const T* D,
                        size_t width, T* G) {
    if (first == last) return;
    in_tiles(width / kLanes<T>, [&]<int N>(size_t v) {
        constexpr int R = rows_of_tile<N>();
        const size_t k = v * kLanes<T>, n = end - begin;
        const T* x = V.row(begin);
        size_t j = first;
        for (; j + R <= last; j += R)
            dense_gradient_tile<R, N>(x + j, V.n_columns, n, D + k, width, G + (j - first) * width + k);
        for (; j < last; ++j)
            dense_gradient_tile<1, N>(x + j, V.n_columns, n, D + k, width, G + (j - first) * width + k);
    });
}

// Returns the columns of the block that thread t has: from that of t to that of t + 1.
template <class T>
inline size_t dense_part(const DenseBlock<T>& V, int t, int n) {
    return part(V.n_columns, 1, t, n);
}

// Calls f(j) for all features of thread t, the sparse and the dense ones.
template <class T, class F>
inline void each_feature(const ColumnRanges& ranges, const DenseBlock<T>& V, int t, F f) {
    for (size_t j = ranges.bounds[t]; j < ranges.bounds[t + 1]; ++j) f(j);
    for (size_t j = dense_part(V, t, ranges.n); j < dense_part(V, t + 1, ranges.n); ++j) f(V.first + j);
}
