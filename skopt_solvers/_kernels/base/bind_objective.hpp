// The parts that bindings of objectives share: they check shapes, let go of the GIL, and call the kernels.
#pragma once
#include <nanobind/nanobind.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <utility>

#include "base/bind_arrays.hpp"
#include "base/csr.hpp"
#include "base/objective.hpp"

namespace nb = nanobind;
using namespace nb::literals;

// Returns the matrix, or throws where the arrays are not one.
template <class T, class I>
Csr<T, I> csr(const In<I>& indptr, const In<I>& indices, const In<T>& data, size_t n_columns) {
    nb::gil_scoped_release release;
    check_rows(indptr, indices, std::min(indices.size(), data.size()), n_columns);
    return {indptr.data(), indices.data(), data.data(), indptr.size() - 1, n_columns};
}

// Returns where an array lies, or null where it is empty.
template <class T>
T* pointer_or_null(const Array<T>& values) {
    return values.size() ? values.data() : nullptr;
}

// Guards a call of what has scratch memory, which serves one at a time. Meanwhile Python's lock is free.
class Call {
public:
    explicit Call(std::atomic_flag& busy) : busy_(claim(busy)) {}
    ~Call() { busy_.clear(); }

private:
    static std::atomic_flag& claim(std::atomic_flag& busy) {
        if (busy.test_and_set()) {
            throw std::runtime_error("another thread is inside this objective, which serves one at a time");
        }
        return busy;
    }
    std::atomic_flag& busy_;
    nb::gil_scoped_release release_;
};

// Returns the loss, rows, values and shares of a minibatch.
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
    auto rows = to_numpy(std::move(g.rows));
    auto values = to_numpy(std::move(g.values), {g.size, o.n_outputs});
    auto share = to_numpy(std::move(g.share), {g.size, 1});
    return nb::make_tuple(loss, rows, values, share);
}
