// What the files of bindings share. They alone know Python, with features.cpp: they check shapes, let go of the GIL, and call the kernels.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "objective.hpp"

namespace nb = nanobind;
using namespace nb::literals;

template <class T> using In = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T> using Out = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

inline void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

// A vector that NumPy owns.
template <class T>
auto to_numpy(std::vector<T> values, size_t columns) {
    auto* owner = new std::vector<T>(std::move(values));
    nb::capsule free(owner, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return nb::ndarray<nb::numpy, T>(owner->data(), {owner->size() / columns, columns}, free);
}

template <class A>
inline bool between(const A& values, int64_t low, int64_t high) {
    return std::all_of(values.data(), values.data() + values.size(), [&](int64_t v) { return low <= v && v < high; });
}

// Loss, rows, values and shares of a minibatch.
template <class T>
nb::tuple batch_gradient(Objective<T>& o, In<T> W, In<int64_t> batch, size_t n_samples) {
    require(W.size() == o.n_rows * o.n_outputs, "W has the wrong size");
    require(between(batch, 0, n_samples), "batch must index samples");
    RowGradient<T> g;
    {
        nb::gil_scoped_release release;
        g = o.gradient(W.data(), batch.data(), batch.size());
    }
    double loss = g.loss;
    g.rows.resize(g.size);
    g.values.resize(g.size * o.n_outputs);
    g.share.resize(g.size);
    return nb::make_tuple(loss, to_numpy(std::move(g.rows), 1), to_numpy(std::move(g.values), o.n_outputs), to_numpy(std::move(g.share), 1));
}

// Each adds the classes and functions of its file to the module.
void bind_linear_models(nb::module_& m);
void bind_chains(nb::module_& m);
