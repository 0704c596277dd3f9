// Rows of a CSR matrix against a table: gather, scatter, and the check that a matrix is one.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "objective.hpp"
#include "parallel.hpp"
#include "vectors.hpp"

template <class T, class I>
struct Csr {
    const I* indptr;
    const I* indices;
    const T* data;
    size_t n_rows, n_cols;
};

template <int B, class T>
inline void prefetch_row(T* row) {
    __builtin_prefetch(row, 1);
    __builtin_prefetch(row + B - 1, 1);
}

constexpr size_t kRowsAhead = 8;  // rows of a shuffled batch likewise: no hardware foresees where the next one lies

template <class A>
inline void prefetch_all(const A* values, size_t n) {
    for (size_t i = 0; i < n; i += 64 / sizeof(A)) __builtin_prefetch(values + i);
}

// The first lines of a row; the hardware brings the rest of a long one.
template <class A>
inline void prefetch_line_ends(const A* values, size_t n) {
    __builtin_prefetch(values);
    __builtin_prefetch(values + std::min(n - 1, 64 / sizeof(A)));
}

// N vectors and R outputs more stay in registers while the non-zeros of a row go by; few of them twice, because one sum
// would wait for each addition.
template <int N, int R, class T, class I>
inline void gather_tile(const I* index, const T* x, size_t n, const T* W, size_t K, T* z) {
    constexpr int ways = N <= 2 ? 2 : 1;
    Vec<T> sum[ways][N + 1] = {};
    T rest[ways][R + 1] = {};
    auto add = [&](int way, size_t p) {
        const T* w = W + static_cast<size_t>(index[p]) * K;
        UNROLL for (int v = 0; v < N; ++v) sum[way][v] += x[p] * at(w + v * kLanes<T>);
        UNROLL for (int r = 0; r < R; ++r) rest[way][r] += x[p] * w[N * kLanes<T> + r];
    };
    size_t p = 0;
    for (; p + ways <= n; p += ways)
        UNROLL for (int way = 0; way < ways; ++way) add(way, p + way);
    for (; p < n; ++p) add(0, p);
    UNROLL for (int way = 1; way < ways; ++way) {
        UNROLL for (int v = 0; v < N; ++v) sum[0][v] += sum[way][v];
        UNROLL for (int r = 0; r < R; ++r) rest[0][r] += rest[way][r];
    }
    UNROLL for (int v = 0; v < N; ++v) at(z + v * kLanes<T>) += sum[0][v];
    UNROLL for (int r = 0; r < R; ++r) z[N * kLanes<T> + r] += rest[0][r];
}

template <int N, int R, class T, class I>
inline void scatter_tile(const I* index, const T* x, size_t n, const T* d, size_t K, T* G) {
    Vec<T> delta[N + 1];
    T rest[R + 1];
    UNROLL for (int v = 0; v < N; ++v) delta[v] = at(d + v * kLanes<T>);
    UNROLL for (int r = 0; r < R; ++r) rest[r] = d[N * kLanes<T> + r];
    for (size_t p = 0; p < n; ++p) {
        // a store that misses the cache stops the ones behind it, so its line is called early
        if (N > 0 && p + kAhead < n) prefetch_row<N * kLanes<T>>(G + static_cast<size_t>(index[p + kAhead]) * K);
        T* g = G + static_cast<size_t>(index[p]) * K;
        UNROLL for (int v = 0; v < N; ++v) at(g + v * kLanes<T>) += x[p] * delta[v];
        UNROLL for (int r = 0; r < R; ++r) g[N * kLanes<T> + r] += x[p] * rest[r];
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

// f.template operator()<N, R>(k): few tiles that cover [0, K), because each reads the row again.
template <class T, class F>
inline void in_blocks(size_t K, F f) {
    size_t k = 0, vectors = K / kLanes<T>, rest = K % kLanes<T>;
    for (; vectors > kWidest || (vectors == kWidest && !rest); vectors -= kWidest, k += kWidest * kLanes<T>) f.template operator()<kWidest, 0>(k);
    auto last = [&]<int N, int R>() { f.template operator()<N, R>(k); };
    switch (vectors) {
        case 0: return rest ? in_last_tile<T, 0, 1>(rest, last) : void();
        case 1: return in_last_tile<T, 1, 0>(rest, last);
        case 2: return in_last_tile<T, 2, 0>(rest, last);
        case 3: return in_last_tile<T, 3, 0>(rest, last);
        case 4: return in_last_tile<T, 4, 1>(rest, last);
    }
}

// z += sum_p x_p W[index_p]
template <class T, class I>
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((optimize("no-tree-vectorize")))  // the compiler's vector gathers are slower than four loads
#endif
inline T gather_one(const I* index, const T* x, size_t n, const T* W) {
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

// The same for the first `width` columns of a table whose rows are K apart.
template <class T, class I>
inline void gather(const I* index, const T* x, size_t n, const T* W, size_t K, size_t width, T* z) {
    if (K == 1) {
        z[0] += gather_one(index, x, n, W);
        return;
    }
    in_blocks<T>(width, [&]<int N, int R>(size_t k) { gather_tile<N, R>(index, x, n, W + k, K, z + k); });
}

template <class T, class I>
inline void gather(const I* index, const T* x, size_t n, const T* W, size_t K, T* z) {
    gather(index, x, n, W, K, K, z);
}

// G[index_p] += x_p d, likewise.
template <class T, class I>
inline void scatter(const I* index, const T* x, size_t n, const T* d, size_t K, size_t width, T* G) {
    in_blocks<T>(width, [&]<int N, int R>(size_t k) { scatter_tile<N, R>(index, x, n, d + k, K, G + k); });
}

template <class T, class I>
inline void scatter(const I* index, const T* x, size_t n, const T* d, size_t K, T* G) {
    scatter(index, x, n, d, K, K, G);
}

// n ranges of columns with about as many of `total` entries each, count[j] being those of column j: range t is
// [bounds[t], bounds[t + 1]).
inline std::vector<size_t> balanced_ranges(const std::vector<size_t>& count, size_t total, size_t n_cols, int n) {
    std::vector<size_t> bounds(n + 1, n_cols);
    bounds[0] = 0;
    size_t seen = 0;
    int next = 1;
    for (size_t j = 0; j < n_cols && next < n; ++j) {
        seen += count[j];
        while (next < n && seen >= total / n * next) bounds[next++] = j + 1;
    }
    return bounds;
}

// Ranges of columns with about as many non-zeros each, one a thread, and where each sorted row passes from one to the next.
struct ColumnRanges {
    int n = 0;
    std::vector<size_t> bounds;  // range t is [bounds[t], bounds[t + 1])

    template <class T, class I>
    void split(const Csr<T, I>& X, int n_ranges) {
        if (n == n_ranges) return;
        n = 0;
        std::vector<size_t> count(X.n_cols + 1, 0);
        size_t nnz = X.indptr[X.n_rows];
        for (size_t p = 0; p < nnz; ++p) ++count[X.indices[p]];
        bounds = balanced_ranges(count, nnz, X.n_cols, n_ranges);
        cuts_.reset(new uint32_t[X.n_rows * (n_ranges - 1)]);
        uint32_t* cut = cuts_.get();
        for (size_t i = 0; i < X.n_rows; ++i) {
            const I *first = X.indices + X.indptr[i], *last = X.indices + X.indptr[i + 1];
            for (int t = 1; t < n_ranges; ++t) *cut++ = static_cast<uint32_t>(std::lower_bound(first, last, static_cast<I>(bounds[t])) - first);
        }
        n = n_ranges;
    }

    // The non-zeros of row i that lie in range t.
    template <class T, class I>
    std::pair<size_t, size_t> of_row(const Csr<T, I>& X, size_t i, int t) const {
        size_t begin = X.indptr[i], end = X.indptr[i + 1];
        if (t + 1 < n) end = begin + cuts_[i * (n - 1) + t];
        if (t > 0) begin += cuts_[i * (n - 1) + t - 1];
        return {begin, end};
    }

private:
    std::unique_ptr<uint32_t[]> cuts_;
};

// What is wrong with the rows of a compressed matrix, whose arrays have `n_entries`, or nullptr.
template <class I>
const char* check_indptr(const I* indptr, size_t n_indptr, size_t n_entries) {
    if (n_indptr == 0 || indptr[0] != 0) return "indptr must start at 0";
    for (size_t i = 0; i + 1 < n_indptr; ++i)
        if (indptr[i + 1] < indptr[i]) return "indptr must not decrease";
    return static_cast<size_t>(indptr[n_indptr - 1]) <= n_entries ? nullptr : "indices and data are shorter than indptr says";
}

// Whether all indices are in [0, n_minor); a loop without a branch, which becomes vectors.
template <class I>
bool within(const I* indices, size_t begin, size_t end, size_t n_minor) {
    using Unsigned = std::make_unsigned_t<I>;
    const auto most = static_cast<Unsigned>(std::min<uint64_t>(n_minor, static_cast<uint64_t>(std::numeric_limits<I>::max()) + 1));
    unsigned outside = 0;
    for (size_t p = begin; p < end; ++p) outside |= static_cast<Unsigned>(indices[p]) >= most;
    return !outside;
}

constexpr const char* kOutside = "indices must be between 0 and the number of columns - 1";

// Whether the indices of each row increase: descents are counted everywhere, and then those between two rows.
template <class I>
bool increase(const I* indptr, size_t n_rows, const I* indices) {
    const size_t nnz = indptr[n_rows];
    size_t descents = 0, between = 0;
    for (size_t p = 1; p < nnz; ++p) descents += indices[p - 1] >= indices[p];
    for (size_t i = 1; i < n_rows; ++i) {
        size_t p = indptr[i];
        between += p > 0 && p < nnz && indptr[i] < indptr[i + 1] && indices[p - 1] >= indices[p];
    }
    return descents == between;
}

// What is wrong with a compressed matrix, or nullptr; `canonical` tells whether no row has a duplicate or a stored zero.
template <class T, class I>
const char* check_compressed(const I* indptr, size_t n_indptr, const I* indices, size_t n_indices, const T* data, size_t n_data,
                             size_t n_major, size_t n_minor, int n_threads, bool& canonical) {
    canonical = true;
    if (n_indptr == 0 || n_indptr - 1 != n_major) return "indptr must have one entry more than there are rows";
    if (const char* error = check_indptr(indptr, n_indptr, std::min(n_indices, n_data))) return error;
    size_t nnz = indptr[n_major];
    std::atomic<bool> valid = true, clean = true;
    int n = threads_for(n_threads, static_cast<double>(nnz));
    parallel(n, [&](int t) {
        // Only unsorted rows ask: by column, a mark of the last row that has it; a sorted copy where columns are far more than entries.
        std::vector<uint32_t> seen;
        std::vector<I> row;
        const bool wide = n_minor > (size_t(1) << 20) + 4 * nnz;
        uint32_t mark = 0;
        size_t first = part(n_major, 1, t, n), last = part(n_major, 1, t + 1, n);
        unsigned zeros = 0;
        if (!within(indices, indptr[first], indptr[last], n_minor)) valid = false;
        for (size_t p = indptr[first]; p < static_cast<size_t>(indptr[last]); ++p) zeros |= data[p] == 0;
        if (zeros) clean = false;
        for (size_t i = first; i < last && valid && clean; ++i) {
            size_t begin = indptr[i], end = indptr[i + 1];
            unsigned unsorted = 0;
            for (size_t p = begin; p + 1 < end; ++p) unsorted |= indices[p] >= indices[p + 1];
            if (!unsorted) continue;
            if (wide) {
                row.assign(indices + begin, indices + end);
                std::sort(row.begin(), row.end());
                if (std::adjacent_find(row.begin(), row.end()) != row.end()) clean = false;
                continue;
            }
            if (mark++ == UINT32_MAX || seen.empty()) seen.assign(n_minor, 0), mark = 1;
            bool repeated = false;
            for (size_t p = begin; p < end; ++p) {
                repeated |= seen[indices[p]] == mark;
                seen[indices[p]] = mark;
            }
            if (repeated) clean = false;
        }
    });
    canonical = clean;
    return valid ? nullptr : kOutside;
}
