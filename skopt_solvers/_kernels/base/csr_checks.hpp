// The checks that arrays are a CSR matrix, and what is known of its rows.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "base/parallel.hpp"

// Returns what is wrong with the rows of a compressed matrix, whose arrays have `n_entries`, or nullptr.
template <class I>
const char* check_indptr(const I* indptr, size_t n_indptr, size_t n_entries) {
    if (n_indptr == 0 || indptr[0] != 0) return "indptr must start at 0";
    for (size_t i = 0; i + 1 < n_indptr; ++i)
        if (indptr[i + 1] < indptr[i]) return "indptr must not decrease";
    if (static_cast<size_t>(indptr[n_indptr - 1]) > n_entries) return "indices and data are shorter than indptr says";
    return nullptr;
}

// Tells whether all indices are in [0, n_minor). The loop has no branch, so that it becomes vectors.
template <class I>
bool within(const I* indices, size_t begin, size_t end, size_t n_minor) {
    using Unsigned = std::make_unsigned_t<I>;
    const auto most =
        static_cast<Unsigned>(std::min<uint64_t>(n_minor, static_cast<uint64_t>(std::numeric_limits<I>::max()) + 1));
    unsigned outside = 0;
    for (size_t p = begin; p < end; ++p) outside |= static_cast<Unsigned>(indices[p]) >= most;
    return !outside;
}

constexpr const char* kOutside = "indices must be between 0 and the number of columns - 1";

// Tells whether the indices of each row increase. Descents are counted everywhere, and then those between two rows.
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

// Returns what is wrong with a compressed matrix, or nullptr. `canonical` becomes whether no row has a duplicate or a
// stored zero.
template <class T, class I>
const char* check_compressed(const I* indptr, size_t n_indptr, const I* indices, size_t n_indices, const T* data,
                             size_t n_data, size_t n_major, size_t n_minor, int n_threads, bool& canonical) {
    canonical = true;
    if (n_indptr == 0 || n_indptr - 1 != n_major) return "indptr must have one entry more than there are rows";
    if (const char* error = check_indptr(indptr, n_indptr, std::min(n_indices, n_data))) return error;
    size_t nnz = indptr[n_major];
    std::atomic<bool> valid = true, clean = true;
    int n = threads_for(n_threads, static_cast<double>(nnz));
    parallel(n, [&](int t) {
        // Only unsorted rows need these: a mark of the last row that has each column, or a sorted copy of the row where
        // columns are far more than entries.
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
