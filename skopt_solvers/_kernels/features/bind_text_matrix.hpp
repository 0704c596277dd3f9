// Binds what counts of terms have in common: their totals and the matrix.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bind_arrays.hpp"
#include "features/bind_text_rules.hpp"
#include "features/text_count_table.hpp"
#include "features/text_rows.hpp"

// An array that NumPy will own, of which nothing has been written.
template <class T>
struct Fresh {
    T* data;
    nb::object array;

    explicit Fresh(size_t n) {
        std::unique_ptr<T[]> memory(new T[n]);
        nb::capsule owner(memory.get(), [](void* p) noexcept { delete[] static_cast<T*>(p); });
        data = memory.release();
        array = nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(data, {n}, owner));
    }
};

template <class T>
void require_size(const char* name, const In<T>& values, size_t least, size_t most) {
    require_within((std::string("the size of ") + name).c_str(), values.size(), static_cast<int64_t>(least),
                   static_cast<int64_t>(most));
}

// `largest` is the largest count.
template <class T>
Weights<T> weights_of(bool binary, const std::optional<In<T>>& tf, size_t largest, const std::optional<In<T>>& idf,
                      size_t n_columns, int norm) {
    if (tf) require_size("tf", *tf, (binary ? 1 : largest) + 1, INT64_MAX);
    if (idf) require_size("idf", *idf, n_columns, n_columns);
    require_within("norm", norm, 0, 2);
    if constexpr (std::is_integral_v<T>)
        require(!tf && !idf && norm == 0, "tf, idf and norm must be None, None and 0 for a matrix of integers");
    return {binary, tf ? tf->data() : nullptr, idf ? idf->data() : nullptr, static_cast<Norm>(norm)};
}

// A table that serves one call at a time: Python's lock is free meanwhile.
template <class Table>
struct Bound : Table {
    explicit Bound(Table table) : Table(std::move(table)) {}

    std::atomic_flag busy;
    bool has_terms = true;  // until they are taken

    void require_terms() const { require(has_terms, "take_vocabulary has taken the terms of these counts"); }
};

template <class Table>
class Claim {
public:
    explicit Claim(Bound<Table>& counts) : busy_(counts.busy) {
        if (busy_.test_and_set())
            throw std::runtime_error("another thread is inside these counts, which serve one at a time");
    }
    ~Claim() { busy_.clear(); }

private:
    std::atomic_flag& busy_;
};

template <class T, class Table>
void bind_matrix(nb::class_<Bound<Table>>& counts, const char* name) {
    counts.def(
        name,
        [](Bound<Table>& self, bool binary, std::optional<In<T>> tf, std::optional<In<T>> idf, int norm, int n_threads,
           bool by_id) {
            require_threads(n_threads);
            Claim claim(self);
            auto weights = weights_of<T>(binary, tf, tf ? self.largest() : 0, idf, self.n_columns(), norm);
            std::vector<int64_t> ends = self.row_ends();
            size_t n = ends.back();
            Fresh<T> data(n);
            const auto written = [&]<class I>(I) {
                Fresh<I> indices(n);
                {
                    nb::gil_scoped_release release;
                    self.write(weights, ends.data(), by_id, data.data, indices.data, n_threads);
                }
                Fresh<I> indptr(ends.size());
                std::copy(ends.begin(), ends.end(), indptr.data);
                return nb::make_tuple(data.array, indices.array, indptr.array);
            };
            return n > INT32_MAX ? written(int64_t()) : written(int32_t());
        },
        nb::arg("binary"), nb::arg("tf").none(), nb::arg("idf").none(), nb::arg("norm"), nb::arg("n_threads"),
        nb::arg("by_id") = false);
}

template <class T>
void bind_row_matrix(nb::class_<Rows>& rows, const char* name) {
    rows.def(
        name,
        [](const Rows& self, bool binary, std::optional<In<T>> tf, std::optional<In<T>> idf, int norm, int n_threads) {
            require_threads(n_threads);
            if (tf && !binary) require_within("the smallest count, for which tf has a value,", self.smallest(), 0, 0);
            auto weights = weights_of<T>(binary, tf, tf ? self.largest() : 0, idf, self.n_columns(), norm);
            size_t n = self.n_entries();
            Fresh<T> data(n);
            const auto written = [&]<class I>(I) {
                Fresh<I> indices(n), indptr(self.n_rows() + 1);
                {
                    nb::gil_scoped_release release;
                    self.write(weights, data.data, indices.data, indptr.data, n_threads);
                }
                return nb::make_tuple(data.array, indices.array, indptr.array);
            };
            return n > INT32_MAX ? written(int64_t()) : written(int32_t());
        },
        nb::arg("binary"), nb::arg("tf").none(), nb::arg("idf").none(), nb::arg("norm"), nb::arg("n_threads"));
}

template <class Table>
void bind_table(nb::class_<Bound<Table>>& counts) {
    using AllCounts = Bound<Table>;
    counts.def_prop_ro("n_documents", &AllCounts::n_documents)
        .def_prop_ro("n_columns", &AllCounts::n_columns)
        .def_prop_ro("largest", &AllCounts::largest)
        .def(
            "totals",
            [](AllCounts& self, bool of_documents) {
                Claim claim(self);
                auto totals = [&] {
                    nb::gil_scoped_release release;
                    return self.totals(of_documents);
                }();
                return to_numpy(std::move(totals));
            },
            nb::arg("of_documents"))
        .def(
            "keep",
            [](AllCounts& self, In<bool> kept) {
                Claim claim(self);
                require_size("kept", kept, self.n_columns(), self.n_columns());
                // other bytes than 0 and 1 are no bool
                self.keep(reinterpret_cast<const uint8_t*>(kept.data()));
            },
            nb::arg("kept").noconvert())
        .def("sort", [](AllCounts& self) {
            Claim claim(self);
            self.require_terms();
            nb::gil_scoped_release release;
            self.sort();
        });
    bind_matrix<int32_t>(counts, "matrixI32");
    bind_matrix<int64_t>(counts, "matrixI64");
    bind_matrix<float>(counts, "matrixF32");
    bind_matrix<double>(counts, "matrixF64");
}
