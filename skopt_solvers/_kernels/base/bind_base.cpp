// Bindings of the functions on CSR matrices and plain arrays, and of the class that objectives derive from.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "base/bind_objective.hpp"
#include "base/csr_checks.hpp"
#include "base/parallel.hpp"
#include "base/shuffle.hpp"

template <class T, class I>
static std::pair<std::string, bool> checked(In<I> indptr, In<I> indices, In<T> data, size_t n_major, size_t n_minor,
                                            int n_threads) {
    nb::gil_scoped_release release;
    bool canonical;
    const char* error = check_compressed(indptr.data(), indptr.size(), indices.data(), indices.size(), data.data(),
                                         data.size(), n_major, n_minor, n_threads, canonical);
    return {error ? error : "", canonical};
}

template <class I>
static bool rows_increase(In<I> indptr, In<I> indices) {
    const char* error = check_indptr(indptr.data(), indptr.size(), indices.size());
    require(!error, error);
    nb::gil_scoped_release release;
    return increase(indptr.data(), indptr.size() - 1, indices.data());
}

// Tells whether CSR is such as passes over the data read it: sound, its rows increase, its values are finite and not 0.
template <class T, class I>
static bool rows_are_plain(In<I> indptr, In<I> indices, In<T> data, size_t n_rows, size_t n_columns) {
    const size_t nnz = data.size();
    if (indptr.size() != n_rows + 1 || indices.size() != nnz) return false;
    nb::gil_scoped_release release;
    if (check_indptr(indptr.data(), n_rows + 1, nnz) || static_cast<size_t>(indptr.data()[n_rows]) != nnz) return false;
    unsigned wrong = 0;
    for (size_t p = 0; p < nnz; ++p)
        wrong |= !(std::abs(data.data()[p]) <= std::numeric_limits<T>::max()) | (data.data()[p] == 0);
    return !wrong && within(indices.data(), 0, nnz, n_columns) && increase(indptr.data(), n_rows, indices.data());
}

template <class T>
static double dot_of(In<T> a, In<T> b) {
    require(a.size() == b.size(), "a and b must have the same size");
    nb::gil_scoped_release release;
    return dot(a.data(), b.data(), a.size());
}

template <class T>
static void column_sums_of(In<T> table, Out<double> out) {
    require(out.size() > 0 && table.size() % out.size() == 0, "out must have a number for each column of the table");
    nb::gil_scoped_release release;
    column_sums(table.data(), table.size() / out.size(), out.size(), out.data());
}

template <class T>
static void add_to_rows(In<T> row, Out<T> table) {
    size_t K = row.size();
    require(K > 0 && table.size() % K == 0, "row must have a number for each column of the table");
    nb::gil_scoped_release release;
    const T* __restrict r = row.data();
    for (T *z = table.data(), *end = z + table.size(); z < end; z += K)
        for (size_t k = 0; k < K; ++k) z[k] += r[k];
}

static void shuffled(In<int64_t> values, uint64_t seed, size_t run, Out<int64_t> out) {
    require(values.size() == out.size() && run > 0, "values and out must have the same size, and run must be positive");
    nb::gil_scoped_release release;
    shuffle_runs(values.data(), values.size(), run, seed, out.data());
}

template <class T, class I>
static void bind_csr_checks(nb::module_& m) {
    m.def("check_compressed", &checked<T, I>, array("indptr"), array("indices"), array("data"), "n_major"_a,
          "n_minor"_a, "n_threads"_a);
    m.def("rows_are_plain", &rows_are_plain<T, I>, array("indptr"), array("indices"), array("data"), "n_rows"_a,
          "n_columns"_a);
}

void bind_base(nb::module_& m) {
    nb::class_<Objective<float>>(m, "ObjectiveF32");
    nb::class_<Objective<double>>(m, "ObjectiveF64");
    bind_csr_checks<float, int32_t>(m);
    bind_csr_checks<float, int64_t>(m);
    bind_csr_checks<double, int32_t>(m);
    bind_csr_checks<double, int64_t>(m);
    m.def("rows_increase", &rows_increase<int32_t>, array("indptr"), array("indices"));
    m.def("rows_increase", &rows_increase<int64_t>, array("indptr"), array("indices"));
    m.def("dot", &dot_of<float>, array("a"), array("b"));
    m.def("dot", &dot_of<double>, array("a"), array("b"));
    m.def("column_sums", &column_sums_of<float>, array("table"), array("out"));
    m.def("column_sums", &column_sums_of<double>, array("table"), array("out"));
    m.def("add_to_rows", &add_to_rows<float>, array("row"), array("table"));
    m.def("add_to_rows", &add_to_rows<double>, array("row"), array("table"));
    m.def("shuffled", &shuffled, array("values"), "seed"_a, "run"_a, array("out"));
}
