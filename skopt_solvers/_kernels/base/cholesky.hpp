// Cholesky's decomposition of small matrices, row-major.
#pragma once
#include <cmath>
#include <cstddef>

#include "base/parallel.hpp"

// Replaces the lower triangle of M by that of its factor. A pivot of which no more than rounding is left, as an
// intercept's where all margins are on straight pieces of the loss, is what it was, or 1, so that M is positive
// definite (Nocedal & Wright 2006, section 3.4). Otherwise the gradient along that parameter would be dropped, and the
// iterations would end where no other is left.
inline void cholesky(double* M, size_t size) {
    for (size_t i = 0; i < size; ++i) {
        double* row = M + i * size;
        for (size_t j = 0; j < i; ++j) row[j] = (row[j] - dot(row, M + j * size, j)) / M[j * (size + 1)];
        const double rest = row[i] - dot(row, row, i);
        row[i] = std::sqrt(rest > 1e-13 * row[i] ? rest : row[i] > 0 ? row[i] : 1.0);
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
