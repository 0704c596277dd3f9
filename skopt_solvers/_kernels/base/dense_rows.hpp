// The rows of a dense matrix where they lie, and their products with a table.
#pragma once
#include <cstddef>
#include <vector>

#include "base/parallel.hpp"
#include "base/prefetch.hpp"
#include "base/row_products.hpp"

// Is the index of values that lie in consecutive columns.
struct Consecutive {
    size_t first = 0;
    size_t operator[](size_t p) const { return first + p; }
};

// Has the interface of Csr. A zero is what CSR leaves out: `each` does not visit it.
template <class T>
struct DenseRows {
    const T* data;
    size_t n_rows, n_cols;
    ptrdiff_t row_stride, column_stride;  // in numbers, not bytes

    size_t n_entries() const { return n_rows * n_cols; }
    size_t size(size_t) const { return n_cols; }
    size_t row_part(int t, int n) const { return part(n_rows, 1, t, n); }

    // Returns the values of row i side by side, until the thread asks for another row.
    const T* row(size_t i) const {
        const T* x = data + static_cast<ptrdiff_t>(i) * row_stride;
        if (column_stride == 1) return x;
        thread_local std::vector<T> copy;
        copy.resize(n_cols);
        for (size_t j = 0; j < n_cols; ++j) copy[j] = x[static_cast<ptrdiff_t>(j) * column_stride];
        return copy.data();
    }

    template <class F>
    void each(size_t i, F f) const {
        const T* x = row(i);
        for (size_t j = 0; j < n_cols; ++j)
            if (x[j] != 0) f(j, x[j]);
    }

    T square(size_t i) const {
        const T* x = row(i);
        return static_cast<T>(dot(x, x, n_cols));
    }

    void gather(size_t i, const T* W, size_t K, size_t width, T* z) const {
        if (K == 1)
            z[0] += static_cast<T>(dot(row(i), W, n_cols));
        else
            ::gather(Consecutive{}, row(i), n_cols, W, K, width, z);
    }

    void scatter(size_t i, const T* d, size_t K, size_t width, T* G) const {
        scatter_columns(i, 0, n_cols, d, K, width, G);
    }

    // Does the same for the columns from `begin` to `end`.
    void scatter_columns(size_t i, size_t begin, size_t end, const T* d, size_t K, size_t width, T* G) const {
        const T* x = row(i) + begin;
        if (K > 1) return ::scatter(Consecutive{begin}, x, end - begin, d, K, width, G);
        T* __restrict g = G + begin, delta = d[0];
        for (size_t j = 0; j < end - begin; ++j) g[j] += x[j] * delta;
    }

    void call(size_t i) const {
        if (column_stride == 1) prefetch_all(row(i), n_cols);
    }

    // The table is read in order, which hardware foresees.
    void call_table(size_t, const T*, size_t, size_t) const {}
};
