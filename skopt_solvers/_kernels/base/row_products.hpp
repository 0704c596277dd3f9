// Products of a row with a table: gather and scatter. The row is n values x and their columns: index[p] is that of
// x[p], an array or what computes it.
#pragma once
#include <cstddef>

#include "base/prefetch.hpp"
#include "base/vectors.hpp"

// Gathers N vectors and R outputs more, which stay in registers while the non-zeros of a row go by. Where they are few
// there are two sums of each, because one would wait for each addition.
template <int N, int R, class T, class Index>
inline void gather_tile(Index index, const T* x, size_t n, const T* W, size_t K, T* z) {
    constexpr int ways = N <= 2 ? 2 : 1;
    Vec<T> sum[ways][N + 1] = {};
    T rest[ways][R + 1] = {};
    auto add = [&](int way, size_t p) {
        const T* w = W + static_cast<size_t>(index[p]) * K;
        UNROLLED_FOR (int v = 0; v < N; ++v) sum[way][v] += x[p] * at(w + v * kLanes<T>);
        UNROLLED_FOR (int r = 0; r < R; ++r) rest[way][r] += x[p] * w[N * kLanes<T> + r];
    };
    size_t p = 0;
    for (; p + ways <= n; p += ways)
        UNROLLED_FOR (int way = 0; way < ways; ++way) add(way, p + way);
    for (; p < n; ++p) add(0, p);
    UNROLLED_FOR (int way = 1; way < ways; ++way) {
        UNROLLED_FOR (int v = 0; v < N; ++v) sum[0][v] += sum[way][v];
        UNROLLED_FOR (int r = 0; r < R; ++r) rest[0][r] += rest[way][r];
    }
    UNROLLED_FOR (int v = 0; v < N; ++v) at(z + v * kLanes<T>) += sum[0][v];
    UNROLLED_FOR (int r = 0; r < R; ++r) z[N * kLanes<T> + r] += rest[0][r];
}

template <int N, int R, class T, class Index>
inline void scatter_tile(Index index, const T* x, size_t n, const T* d, size_t K, T* G) {
    Vec<T> delta[N + 1];
    T rest[R + 1];
    UNROLLED_FOR (int v = 0; v < N; ++v) delta[v] = at(d + v * kLanes<T>);
    UNROLLED_FOR (int r = 0; r < R; ++r) rest[r] = d[N * kLanes<T> + r];
    for (size_t p = 0; p < n; ++p) {
        // a store that misses the cache stops the ones behind it, so its line is called early
        if (N > 0 && p + kAhead < n) prefetch_row<N * kLanes<T>>(G + static_cast<size_t>(index[p + kAhead]) * K);
        T* g = G + static_cast<size_t>(index[p]) * K;
        UNROLLED_FOR (int v = 0; v < N; ++v) at(g + v * kLanes<T>) += x[p] * delta[v];
        UNROLLED_FOR (int r = 0; r < R; ++r) g[N * kLanes<T> + r] += x[p] * rest[r];
    }
}

constexpr int kWidest = 4;  // vectors of a tile

template <class T, int N, int R, class F>
inline void in_last_tile(size_t rest, F f) {
    if constexpr (R < static_cast<int>(kLanes<T>)) {
        if (rest == R) return f.template operator()<N, R>();
        in_last_tile<T, N, R + 1>(rest, f);
    }
}

// Calls f.template operator()<N, R>(k) for the tiles that cover [0, K). They are few, because each reads the row again.
template <class T, class F>
inline void in_blocks(size_t K, F f) {
    size_t k = 0, vectors = K / kLanes<T>, rest = K % kLanes<T>;
    for (; vectors > kWidest || (vectors == kWidest && !rest); vectors -= kWidest, k += kWidest * kLanes<T>)
        f.template operator()<kWidest, 0>(k);
    auto last = [&]<int N, int R>() { f.template operator()<N, R>(k); };
    switch (vectors) {
        case 0: return rest ? in_last_tile<T, 0, 1>(rest, last) : void();
        case 1: return in_last_tile<T, 1, 0>(rest, last);
        case 2: return in_last_tile<T, 2, 0>(rest, last);
        case 3: return in_last_tile<T, 3, 0>(rest, last);
        case 4: return in_last_tile<T, 4, 1>(rest, last);
    }
}

// The compiler's vector gathers are slower than four loads.
#if defined(__GNUC__) && !defined(__clang__)
#define WITHOUT_VECTORS __attribute__((optimize("no-tree-vectorize")))
#else
#define WITHOUT_VECTORS
#endif

// Computes z += sum_p x_p W[index_p].
template <class T, class Index>
WITHOUT_VECTORS inline T gather_one(Index index, const T* x, size_t n, const T* W) {
    T a = 0, b = 0, c = 0, d = 0;  // four sums, because one would wait for each addition
    size_t p = 0;
    for (; p + 4 <= n; p += 4) {
        a += x[p] * W[index[p]];
        b += x[p + 1] * W[index[p + 1]];
        c += x[p + 2] * W[index[p + 2]];
        d += x[p + 3] * W[index[p + 3]];
    }
    for (; p < n; ++p) a += x[p] * W[index[p]];
    return (a + b) + (c + d);
}

// Computes the same for the first `width` columns of a table whose rows are K apart.
template <class T, class Index>
inline void gather(Index index, const T* x, size_t n, const T* W, size_t K, size_t width, T* z) {
    if (K == 1) {
        z[0] += gather_one(index, x, n, W);
        return;
    }
    in_blocks<T>(width, [&]<int N, int R>(size_t k) { gather_tile<N, R>(index, x, n, W + k, K, z + k); });
}

template <class T, class Index>
inline void gather(Index index, const T* x, size_t n, const T* W, size_t K, T* z) {
    gather(index, x, n, W, K, K, z);
}

// Computes G[index_p] += x_p d, likewise.
template <class T, class Index>
inline void scatter(Index index, const T* x, size_t n, const T* d, size_t K, size_t width, T* G) {
    in_blocks<T>(width, [&]<int N, int R>(size_t k) { scatter_tile<N, R>(index, x, n, d + k, K, G + k); });
}

template <class T, class Index>
inline void scatter(Index index, const T* x, size_t n, const T* d, size_t K, T* G) {
    scatter(index, x, n, d, K, K, G);
}
