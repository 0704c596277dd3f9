// What the files of bindings share. They alone know Python, with features.cpp: they check shapes, let go of the GIL, and call the kernels.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "arrays.hpp"
#include "objective.hpp"

namespace nb = nanobind;
using namespace nb::literals;

// The matrix, checked.
template <class T, class I>
Csr<T, I> csr(const In<I>& indptr, const In<I>& indices, const In<T>& data, size_t n_columns) {
    nb::gil_scoped_release release;
    check_rows(indptr, indices, std::min(indices.size(), data.size()), n_columns);
    return {indptr.data(), indices.data(), data.data(), indptr.size() - 1, n_columns};
}

// A call of what has scratch memory, which serves one at a time. Meanwhile Python's lock is free.
class Call {
public:
    explicit Call(std::atomic_flag& busy) : busy_(claim(busy)) {}
    ~Call() { busy_.clear(); }

private:
    static std::atomic_flag& claim(std::atomic_flag& busy) {
        if (busy.test_and_set()) throw std::runtime_error("another thread is inside this objective, which serves one at a time");
        return busy;
    }
    std::atomic_flag& busy_;
    nb::gil_scoped_release release_;
};

// Loss, rows, values and shares of a minibatch.
template <class T>
nb::tuple batch_gradient(Objective<T>& o, In<T> W, In<int64_t> batch) {
    require(W.size() == o.n_rows * o.n_outputs, "W has the wrong size");
    require(between(batch, 0, o.n_samples), "batch must index samples");
    RowGradient<T> g;
    {
        Call call(o.busy);
        g = o.gradient(W.data(), batch.data(), batch.size());
    }
    double loss = g.loss;
    g.rows.resize(g.size);
    g.values.resize(g.size * o.n_outputs);
    g.share.resize(g.size);
    return nb::make_tuple(loss, to_numpy(std::move(g.rows)), to_numpy(std::move(g.values), {g.size, o.n_outputs}), to_numpy(std::move(g.share), {g.size, 1}));
}

// Each adds the classes and functions of its file to the module.
void bind_linear_models(nb::module_& m);
void bind_chains(nb::module_& m);
