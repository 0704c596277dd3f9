// The rows of X of an objective or a dual, with the arrays of Python's that they lie in.
#pragma once
#include <tuple>
#include <utility>

#include "base/bind_objective.hpp"
#include "base/dense_rows.hpp"

template <class Rows>
struct Held;

template <class T, class I>
struct Held<Csr<T, I>> {
    Held(In<I> indptr, In<I> indices, In<T> data, size_t n_columns)
        : rows(csr(indptr, indices, data, n_columns)), kept(indptr, indices, data) {}
    Csr<T, I> rows;
    std::tuple<In<I>, In<I>, In<T>> kept;
};

// Refers to an array of two dimensions where it lies, whatever its order is.
template <class T>
using Matrix = nb::ndarray<const T, nb::ndim<2>, nb::device::cpu>;

template <class T>
struct Held<DenseRows<T>> {
    explicit Held(Matrix<T> X)
        : rows{X.data(), X.shape(0), X.shape(1), static_cast<ptrdiff_t>(X.stride(0)),
               static_cast<ptrdiff_t>(X.stride(1))},
          kept(X) {
        require(reinterpret_cast<uintptr_t>(X.data()) % alignof(T) == 0, "X must lie at the alignment of its numbers");
    }
    DenseRows<T> rows;
    Matrix<T> kept;
};

// Defines the constructor of a class that is made of Held<Rows> and of what else it takes, A.
template <class... A>
struct ConstructorOf {
    template <class T, class I, class Class, class... Names>
    static void define(Class& bound, Csr<T, I>*, Names... names) {
        bound.def(
            "__init__",
            [](typename Class::Type* self, In<I> indptr, In<I> indices, In<T> data, size_t n_columns, A... more) {
                new (self) typename Class::Type({indptr, indices, data, n_columns}, std::move(more)...);
            },
            array("indptr"), array("indices"), array("data"), nb::arg("n_columns"), names...);
    }

    template <class T, class Class, class... Names>
    static void define(Class& bound, DenseRows<T>*, Names... names) {
        bound.def(
            "__init__",
            [](typename Class::Type* self, Matrix<T> X, A... more) {
                new (self) typename Class::Type(Held<DenseRows<T>>(X), std::move(more)...);
            },
            array("X"), names...);
    }
};
