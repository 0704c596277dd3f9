// Ranges of the columns of a CSR matrix, one for each thread, with about as many non-zeros each.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/csr.hpp"

// Returns the bounds of n ranges of columns that have about as many of `total` entries each. Column j has count[j], and
// range t is [bounds[t], bounds[t + 1]).
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

// Keeps the ranges, and where each sorted row passes from one to the next.
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
            for (int t = 1; t < n_ranges; ++t)
                *cut++ = static_cast<uint32_t>(std::lower_bound(first, last, static_cast<I>(bounds[t])) - first);
        }
        n = n_ranges;
    }

    // Returns the first and the end of the non-zeros of row i that lie in range t.
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
