// The rows of a CSR matrix, and their products with a table.
#pragma once
#include <algorithm>
#include <cstddef>

#include "base/parallel.hpp"
#include "base/prefetch.hpp"
#include "base/row_products.hpp"

template <class T, class I>
struct Csr {
    const I* indptr;
    const I* indices;
    const T* data;
    size_t n_rows, n_cols;

    size_t n_entries() const { return indptr[n_rows]; }
    size_t size(size_t i) const { return indptr[i + 1] - indptr[i]; }

    // Returns the first row of part t of n, parts having about as many entries each.
    size_t row_part(int t, int n) const {
        if (t == 0) return 0;
        if (t == n) return n_rows;
        const I target = static_cast<I>(n_entries() / n * t);
        return std::lower_bound(indptr, indptr + n_rows, target) - indptr;
    }

    // Calls f(j, x) for the entries x of row i, which are in the columns j.
    template <class F>
    void each(size_t i, F f) const {
        for (size_t p = indptr[i]; p < static_cast<size_t>(indptr[i + 1]); ++p)
            f(static_cast<size_t>(indices[p]), data[p]);
    }

    T square(size_t i) const {
        const T* x = data + indptr[i];
        return static_cast<T>(dot(x, x, size(i)));
    }

    // Adds row i times the first `width` columns of a table, whose rows are K apart, to z. Inlined by force: else an
    // epoch of the dual takes a twelfth longer.
    [[gnu::always_inline]] void gather(size_t i, const T* W, size_t K, size_t width, T* z) const {
        ::gather(indices + indptr[i], data + indptr[i], size(i), W, K, width, z);
    }

    // Adds d times x to the rows of a table that row i has entries x for.
    [[gnu::always_inline]] void scatter(size_t i, const T* d, size_t K, size_t width, T* G) const {
        ::scatter(indices + indptr[i], data + indptr[i], size(i), d, K, width, G);
    }

    // Calls a row, as rows come in random order and no hardware foresees where the next one lies.
    [[gnu::always_inline]] void call(size_t i) const {
        prefetch_all(indices + indptr[i], size(i));
        prefetch_all(data + indptr[i], size(i));
    }

    // Calls the rows of a table that row i has entries for.
    void call_table(size_t i, const T* table, size_t K, size_t width) const {
        each(i, [&](size_t j, T) { prefetch_line_ends(table + j * K, width); });
    }
};
