// Bindings of the objective of chains, and of the list of the pairs that occur.
#include "chain/bind_chain.hpp"

#include <utility>
#include <vector>

template <class T, class I>
static void bind(nb::module_& m, const char* name) {
    using Bound = BoundChain<T, I>;
    nb::class_<Bound, Objective<T>>(m, name)
        .def(nb::init<In<I>, In<I>, In<T>, size_t, In<int64_t>, In<int32_t>, In<T>, In<int64_t>, size_t, bool,
                      In<int64_t>, In<int32_t>, In<int32_t>, In<bool>, In<T>, size_t, In<int32_t>, In<int64_t>,
                      In<int32_t>, double, double, int, size_t, bool>(),
             array("indptr"), array("indices"), array("data"), "n_columns"_a, array("offsets"), array("labels"),
             array("omega"), array("active"), "n_labels"_a, "boundaries"_a, array("first"), array("label"),
             array("transitions"), array("allowed"), array("vectors"), "vector_size"_a, array("slot"),
             array("first_triple"), array("pair"), "l1"_a, "l2"_a, "n_threads"_a, "block"_a, "copied"_a)
        .def("value_and_gradient", &Bound::value_and_gradient, array("W"), array("G"))
        .def("penalise", &Bound::penalise, array("W"), array("G"))
        .def("copied_bytes", &Bound::copied_bytes)
        .def("condition_bytes", &Bound::condition_bytes)
        .def("squared_norms", &Bound::squared_norms, array("square"))
        .def("condition_square", &Bound::condition_square)
        .def("curvature_block", &Bound::curvature_block, array("W"), array("entries"), array("typical"), "seed"_a,
             array("B"))
        .def("count_as", &Bound::count_as, array("count"), "n_seen"_a)
        .def("gradient", &batch_gradient<T>, array("W"), array("batch"));
}

template <class I>
static auto pairs(In<I> indptr, In<I> indices, In<int32_t> labels, size_t n_columns, size_t n_labels,
                  Out<int64_t> first) {
    require(labels.size() + 1 == indptr.size() && first.size() == product(n_columns, 1) + 1,
            "labels or first has the wrong size");
    require(n_labels <= INT32_MAX && between(labels, kAnyLabel, n_labels), "labels must be from -1 to n_labels - 1");
    product(n_columns, n_labels);
    std::vector<int32_t> label;
    {
        nb::gil_scoped_release release;
        check_rows(indptr, indices, indices.size(), n_columns);
        label = observed_pairs(indptr.data(), indices.data(), labels.data(), labels.size(), n_columns, n_labels,
                               first.data());
    }
    return to_numpy(std::move(label));
}

template <class I>
static void bind_observed_pairs(nb::module_& m) {
    m.def("observed_pairs", &pairs<I>, array("indptr"), array("indices"), array("labels"), "n_columns"_a, "n_labels"_a,
          array("first"));
}

void bind_chain(nb::module_& m) {
    bind<float, int32_t>(m, "ChainF32I32");
    bind<float, int64_t>(m, "ChainF32I64");
    bind<double, int32_t>(m, "ChainF64I32");
    bind<double, int64_t>(m, "ChainF64I64");
    bind_observed_pairs<int32_t>(m);
    bind_observed_pairs<int64_t>(m);
}
