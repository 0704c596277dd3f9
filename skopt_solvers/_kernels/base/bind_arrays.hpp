// Casters, checks and owners of the arrays that go between Python and the kernels.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/csr_checks.hpp"

// Refers to an array of one dimension where it lies, which is at the alignment of its numbers.
template <class T>
struct Array : nanobind::ndarray<T, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu> {
    using Base = nanobind::ndarray<T, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;
};
template <class T>
using In = Array<const T>;
template <class T>
using Out = Array<T>;

// Names a parameter that takes an array as it is. A copy in another type would be read, or written, in its place.
inline auto array(const char* name) { return nanobind::arg(name).noconvert(); }

namespace nanobind::detail {
// NumPy has arrays that are not aligned, and loops of vectors rely on it.
template <class T>
struct type_caster<Array<T>> {
    using Caster = type_caster<typename Array<T>::Base>;
    NB_TYPE_CASTER(Array<T>, Caster::Name)
    bool from_python(handle source, uint32_t flags, cleanup_list* cleanup) noexcept {
        Caster caster;
        if (!caster.from_python(source, flags, cleanup)) return false;
        value = {std::move(caster.value)};
        return value.size() == 0 || reinterpret_cast<uintptr_t>(value.data()) % alignof(T) == 0;
    }
};
}  // namespace nanobind::detail

inline void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

// Returns an array of NumPy's that owns the vector.
template <class T>
auto to_numpy(std::vector<T> values, std::initializer_list<size_t> shape) {
    auto owner = std::make_unique<std::vector<T>>(std::move(values));
    nanobind::capsule free(owner.get(), [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return nanobind::ndarray<nanobind::numpy, T>(owner.release()->data(), shape, free);
}

template <class T>
auto to_numpy(std::vector<T> values) {
    size_t size = values.size();
    return to_numpy(std::move(values), {size});
}

// Tells whether all values are in [low, high). The loop has no branch, so that it becomes vectors.
template <class A>
inline bool between(const A& values, int64_t low, int64_t high) {
    unsigned outside = 0;
    for (size_t i = 0; i < values.size(); ++i) outside |= (values.data()[i] < low) | (values.data()[i] >= high);
    return !outside;
}

// Returns a * b, the entries of a table, or throws where they are more than any memory has.
inline size_t product(size_t a, size_t b) {
    constexpr size_t most = size_t(1) << 48;
    require(b == 0 || a <= most / b, "a table of so many rows and columns is too large for any memory");
    return a * b;
}

// Throws unless the rows of a CSR matrix, whose other arrays have `n_entries`, are such as the kernels trust.
template <class I>
void check_rows(const In<I>& indptr, const In<I>& indices, size_t n_entries, size_t n_columns) {
    const char* error = check_indptr(indptr.data(), indptr.size(), n_entries);
    if (!error && !within(indices.data(), 0, indptr.data()[indptr.size() - 1], n_columns)) error = kOutside;
    require(!error, error);
}
