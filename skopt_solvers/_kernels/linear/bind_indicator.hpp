// Binding of indicator matrices, which objectives and duals share.
#pragma once
#include <nanobind/stl/shared_ptr.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <tuple>

#include "base/bind_objective.hpp"
#include "base/csr_checks.hpp"
#include "linear/indicator.hpp"

// Keeps the arrays alive that the indicator reads.
template <class T>
class BoundIndicator final : public Indicator<T> {
public:
    BoundIndicator(In<int64_t> indptr, In<int64_t> indices, In<T> present, In<T> absent)
        : Indicator<T>(checked(indptr, indices, present, absent), indices.data(), present.data(), absent.data(),
                       indptr.size() - 1, present.size()),
          kept_(indptr, indices, present, absent) {}

private:
    static const int64_t* checked(const In<int64_t>& indptr, const In<int64_t>& indices, const In<T>& present,
                                  const In<T>& absent) {
        require(absent.size() == present.size(), "present and absent must have one factor a label");
        check_rows(indptr, indices, indices.size(), present.size());
        require(increase(indptr.data(), indptr.size() - 1, indices.data()), "indices of a row must increase");
        auto valid = [](T factor) { return factor >= 0 && factor <= std::numeric_limits<T>::max(); };
        const bool all = std::all_of(present.data(), present.data() + present.size(), valid) &&
                         std::all_of(absent.data(), absent.data() + absent.size(), valid);
        require(all, "present and absent must be finite and >= 0");
        return indptr.data();
    }

    std::tuple<In<int64_t>, In<int64_t>, In<T>, In<T>> kept_;
};

// The labels of samples that have several; none where each is in one class.
template <class T>
using Labels = std::shared_ptr<BoundIndicator<T>>;

template <class T>
void require_outputs(const Labels<T>& indicator, size_t n_outputs) {
    require(!indicator || indicator->n_labels == n_outputs, "the indicator must have a label for each output");
}

template <class T>
void bind_indicator(nb::module_& m, const char* name) {
    nb::class_<BoundIndicator<T>>(m, name).def(nb::init<In<int64_t>, In<int64_t>, In<T>, In<T>>(), array("indptr"),
                                               array("indices"), array("present"), array("absent"));
}
