// Cholesky's decomposition of small matrices, row-major.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "base/parallel.hpp"
#include "base/vectors.hpp"

// Subtracts P^T P, P being n rows, from the lower triangle of the rows from `first` on; `minus` is -P. Above the
// diagonal M is not the same afterwards.
inline void subtract_square(const double* minus, const double* P, size_t n, size_t first, size_t size, double* M) {
    constexpr size_t lanes = kLanes<double>;
    auto rows = [&]<int R>(size_t i) {
        size_t j = first, end = i + R;
        auto tile = [&]<int N>() {
            outer_tile<R, N>(minus + i, P + j, n, size, M + i * size + j);
            j += N * lanes;
        };
        while (j < end && j + 3 * lanes <= size) tile.template operator()<3>();
        while (j < end && j + lanes <= size) tile.template operator()<1>();
        for (; j < end; ++j)
            for (size_t t = 0; t < n; ++t)
                for (size_t r = i; r < end; ++r) M[r * size + j] += minus[t * size + r] * P[t * size + j];
    };
    size_t i = first;
    for (; i + 4 <= size; i += 4) rows.template operator()<4>(i);
    for (; i < size; ++i) rows.template operator()<1>(i);
}

// Replaces the lower triangle of M by that of its factor, a block of columns after the other. A pivot of which no more
// than rounding is left, as an intercept's where all margins are on straight pieces of the loss, is what it was, or 1,
// so that M is positive definite (Nocedal & Wright 2006, section 3.4). Otherwise the gradient along that parameter
// would be dropped, and the iterations would end where no other is left.
inline void cholesky(double* M, size_t size) {
    constexpr size_t kBlock = 32;
    std::vector<double> diagonal(size), panel, minus;
    for (size_t i = 0; i < size; ++i) diagonal[i] = M[i * (size + 1)];
    if (size > kBlock) panel.resize(kBlock * size), minus.resize(kBlock * size);
    for (size_t begin = 0; begin < size; begin += kBlock) {
        // 1. the block on the diagonal
        const size_t n = std::min(kBlock, size - begin), end = begin + n;
        double* block = M + begin * (size + 1);
        for (size_t i = 0; i < n; ++i) {
            double* row = block + i * size;
            for (size_t j = 0; j < i; ++j) row[j] = (row[j] - dot(row, block + j * size, j)) / block[j * (size + 1)];
            const double rest = row[i] - dot(row, row, i), before = diagonal[begin + i];
            row[i] = std::sqrt(rest > 1e-13 * before ? rest : before > 0 ? before : 1.0);
        }
        // 2. the rows below it, as columns
        for (size_t i = end; i < size; ++i)
            for (size_t t = 0; t < n; ++t) panel[t * size + i] = M[i * size + begin + t];
        for (size_t t = 0; t < n; ++t) {
            double* __restrict p = &panel[t * size];
            for (size_t s = 0; s < t; ++s)
                for (size_t i = end; i < size; ++i) p[i] -= block[t * size + s] * panel[s * size + i];
            for (size_t i = end; i < size; ++i) minus[t * size + i] = -(p[i] /= block[t * (size + 1)]);
        }
        for (size_t i = end; i < size; ++i)
            for (size_t t = 0; t < n; ++t) M[i * size + begin + t] = panel[t * size + i];
        // 3. what is left of the others
        subtract_square(minus.data(), panel.data(), n, end, size, M);
    }
}

// Computes b <- L^-1 b, L being the lower triangle.
inline void solve_lower(const double* L, size_t size, double* b) {
    for (size_t i = 0; i < size; ++i) b[i] = (b[i] - dot(L + i * size, b, i)) / L[i * (size + 1)];
}

// Computes b <- L^-T b.
inline void solve_upper(const double* L, size_t size, double* b) {
    for (size_t i = size; i-- > 0;) {
        b[i] /= L[i * (size + 1)];
        for (size_t j = 0; j < i; ++j) b[j] -= L[i * size + j] * b[i];
    }
}
