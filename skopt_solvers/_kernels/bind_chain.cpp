// The linear-chain CRF: its objective, and what a fitted one says.
#include "bindings.hpp"

#include <nanobind/stl/vector.h>

#include "chain_warm_up.hpp"
#include "decode.hpp"

// Offsets that cut the rows of X into sequences.
template <class I>
static size_t sequences_of(const In<int64_t>& offsets, const In<I>& indptr) {
    require(offsets.size() > 0 && indptr.size() > 0 && offsets.data()[0] == 0, "offsets and indptr must start at 0");
    require(std::is_sorted(offsets.data(), offsets.data() + offsets.size()), "offsets must not decrease");
    require(static_cast<size_t>(offsets.data()[offsets.size() - 1]) == indptr.size() - 1, "offsets must end at the number of rows");
    return offsets.size() - 1;
}

static void check_pairs(const In<int64_t>& first, const In<int32_t>& label, size_t n_columns, size_t K) {
    if (!first.size()) return;
    require(first.size() == n_columns + 1 && first.data()[0] == 0 && std::is_sorted(first.data(), first.data() + first.size()), "first must have one entry more than there are columns, sorted");
    require(static_cast<size_t>(first.data()[n_columns]) == label.size() && between(label, 0, K), "label must have a label for each pair");
}

template <class T, class I>
static void bind_chain(nb::module_& m, const std::string& suffix) {
    using Chain = ChainWarmUp<T, I>;
    struct Bound final : Chain {  // keeps its arrays alive
        std::tuple<In<I>, In<I>, In<T>, In<int64_t>, In<int32_t>, In<T>, In<int64_t>, In<int64_t>, In<int32_t>, In<int32_t>, In<bool>> kept;
        size_t n_sequences;
        Bound(In<I> indptr, In<I> indices, In<T> data, size_t n_columns, In<int64_t> offsets, In<int32_t> labels, In<T> omega, In<int64_t> active,
              size_t K, bool boundaries, In<int64_t> first, In<int32_t> label, In<int32_t> transitions, In<bool> allowed, double l1, double l2, int n_threads, size_t block)
            : Chain(ChainData<T, I>{sorted(csr(indptr, indices, data, n_columns)), offsets.data(), sequences_of(offsets, indptr),
                                    (check(indptr.size() - 1, offsets, labels, omega, active, K, first, label, n_columns, transitions, allowed, block), labels.data()), omega.data()},
                    ChainLayout<T>{n_columns, K, boundaries, first.size() ? first.data() : nullptr, label.data(), transitions.data(), transitions.size(),
                                   reinterpret_cast<const uint8_t*>(allowed.data())},
                    active.data(), active.size(), Penalty<T>{l1, l2}, n_threads, block),
              kept(indptr, indices, data, offsets, labels, omega, active, first, label, transitions, allowed), n_sequences(offsets.size() - 1) {}
        static const Csr<T, I>& sorted(const Csr<T, I>& X) {
            require(increase(X.indptr, X.n_rows, X.indices), "the indices of a row must increase");
            return X;
        }
        static void check(size_t n_tokens, const In<int64_t>& offsets, const In<int32_t>& labels, const In<T>& omega, const In<int64_t>& active, size_t K,
                          const In<int64_t>& first, const In<int32_t>& label, size_t n_columns, const In<int32_t>& transitions, const In<bool>& allowed, size_t block) {
            product(std::max<size_t>({n_columns, n_tokens, 1}), K);
            require(K > 0 && labels.size() == n_tokens && between(labels, kAnyLabel, K), "labels must be one a token, from -1 to n_labels - 1");
            require(omega.size() == offsets.size() - 1 && between(active, 0, omega.size()), "omega must have one entry a sequence, and active index it");
            for (size_t i = 0; i < active.size(); ++i) require(offsets.data()[active.data()[i] + 1] > offsets.data()[active.data()[i]], "active sequences must have tokens");
            require(between(transitions, 0, product(K, K)) && allowed.size() == K * K + 2 * K, "transitions or allowed do not fit n_labels");
            require(block > 0, "block must be positive");
            check_pairs(first, label, n_columns, K);
        }
    };
    nb::class_<Bound, Objective<T>>(m, ("Chain" + suffix).c_str())
        .def(nb::init<In<I>, In<I>, In<T>, size_t, In<int64_t>, In<int32_t>, In<T>, In<int64_t>, size_t, bool, In<int64_t>, In<int32_t>, In<int32_t>, In<bool>,
                      double, double, int, size_t>(),
             "indptr"_a.noconvert(), "indices"_a.noconvert(), "data"_a.noconvert(), "n_columns"_a, "offsets"_a.noconvert(), "labels"_a.noconvert(),
             "omega"_a.noconvert(), "active"_a.noconvert(), "n_labels"_a, "boundaries"_a, "first"_a.noconvert(), "label"_a.noconvert(),
             "transitions"_a.noconvert(), "allowed"_a.noconvert(), "l1"_a, "l2"_a, "n_threads"_a, "block"_a)
        .def("value_and_gradient", [](Bound& o, In<T> W, Out<T> G) {
            require(W.size() == o.table_size() && (G.size() == 0 || G.size() == W.size()), "W or G has the wrong size");
            Call call(o.busy);
            return o.value_and_gradient(W.data(), G.size() ? G.data() : nullptr);
        }, "W"_a.noconvert(), "G"_a.noconvert())
        .def("penalise", [](Bound& o, In<T> W, Out<T> G) {
            require(W.size() == o.table_size() && (G.size() == 0 || G.size() == W.size()), "W or G has the wrong size");
            nb::gil_scoped_release release;
            return o.penalise(W.data(), G.size() ? G.data() : nullptr);
        }, "W"_a.noconvert(), "G"_a.noconvert())
        .def("squared_norms", [](Bound& o, Out<double> square) {
            require(square.size() == o.n_rows, "square has the wrong size");
            nb::gil_scoped_release release;
            o.squared_norms(square.data());
        }, "square"_a.noconvert())
        .def("warm_up", [](Bound& o, Out<T> W, In<int64_t> orders, In<double> rates, size_t batch_size, double epsilon) {
            require(W.size() == o.table_size(), "W has the wrong size");
            require(rates.size() > 0 && orders.size() % rates.size() == 0 && between(orders, 0, o.n_sequences), "orders must have as many sequences for each rate");
            require(batch_size > 0, "batch_size must be positive");
            batch_size = std::min(batch_size, std::max<size_t>(orders.size(), 1));
            Call call(o.busy);
            return o.warm_up(W.data(), orders.data(), orders.size() / rates.size(), rates.data(), rates.size(), batch_size, epsilon);
        }, "W"_a.noconvert(), "orders"_a.noconvert(), "rates"_a.noconvert(), "batch_size"_a, "epsilon"_a)
        .def("count_as", [](Bound& o, In<double> count, double n_seen) {
            require(count.size() == o.n_rows && !o.observed(), "count must have one entry a row of the table, and pairs must be all");
            Call call(o.busy);
            o.count_as(count.data(), n_seen);
        }, "count"_a.noconvert(), "n_seen"_a)
        .def("gradient", [](Bound& o, In<T> W, In<int64_t> batch) {
            return batch_gradient(o, W, batch);
        }, "W"_a.noconvert(), "batch"_a.noconvert());
}

template <class T, class I>
static void bind_decoder(nb::module_& m, const std::string& suffix) {
    using Decoder = ChainDecoder<T, I>;
    struct Bound final : Decoder {  // keeps its arrays alive
        std::tuple<In<I>, In<I>, In<T>, In<int64_t>, In<T>, In<int64_t>, In<int32_t>, In<int32_t>> kept;
        Bound(In<I> indptr, In<I> indices, In<T> data, size_t n_columns, In<int64_t> offsets, In<T> W, In<int64_t> first, In<int32_t> label, In<T> transitions,
              In<T> start, In<T> end, In<int32_t> fixed, int n_threads)
            : Decoder(csr(indptr, indices, data, n_columns), offsets.data(), sequences_of(offsets, indptr),
                      ChainLayout<T>{(check(indptr.size() - 1, n_columns, start.size(), W, first, label, fixed), n_columns), start.size(), false, first.size() ? first.data() : nullptr, label.data(), nullptr, 0, nullptr},
                      W.data(), chain_of(transitions, start, end), fixed.size() ? fixed.data() : nullptr, n_threads),
              kept(indptr, indices, data, offsets, W, first, label, fixed) {}
        static void check(size_t n_tokens, size_t n_columns, size_t K, const In<T>& W, const In<int64_t>& first, const In<int32_t>& label, const In<int32_t>& fixed) {
            require(K > 0 && W.size() == (first.size() ? label.size() : product(n_columns, K)), "W must have a weight for each pair");
            require(fixed.size() == 0 || (fixed.size() == n_tokens && between(fixed, kAnyLabel, K)), "fixed must be one a token, from -1 to n_labels - 1");
            check_pairs(first, label, n_columns, K);
        }
        static Transitions<T> chain_of(const In<T>& transitions, const In<T>& start, const In<T>& end) {
            size_t K = start.size();
            require(transitions.size() == product(K, K) && end.size() == K, "transitions, start and end must have n_labels entries a side");
            Transitions<T> chain(K);
            for (size_t i = 0; i < K; ++i) {
                std::copy_n(transitions.data() + i * K, K, &chain.log[i * chain.width]);
                chain.log_start[i] = start.data()[i];
                chain.log_end[i] = end.data()[i];
            }
            return chain;
        }
    };
    nb::class_<Bound>(m, ("Decoder" + suffix).c_str())
        .def(nb::init<In<I>, In<I>, In<T>, size_t, In<int64_t>, In<T>, In<int64_t>, In<int32_t>, In<T>, In<T>, In<T>, In<int32_t>, int>(),
             "indptr"_a.noconvert(), "indices"_a.noconvert(), "data"_a.noconvert(), "n_columns"_a, "offsets"_a.noconvert(), "W"_a.noconvert(),
             "first"_a.noconvert(), "label"_a.noconvert(), "transitions"_a.noconvert(), "start"_a.noconvert(), "end"_a.noconvert(),
             "fixed"_a.noconvert(), "n_threads"_a)
        .def("viterbi", [](Bound& o, Out<int32_t> path) {
            require(path.size() == o.n_tokens(), "path has the wrong size");
            nb::gil_scoped_release release;
            o.viterbi(path.data());
        }, "path"_a.noconvert())
        .def("marginals", [](Bound& o, Out<T> P) {
            require(P.size() == o.n_tokens() * o.n_labels(), "P has the wrong size");
            nb::gil_scoped_release release;
            o.marginals(P.data());
        }, "P"_a.noconvert())
        .def("log_likelihood", [](Bound& o, In<int32_t> labels, Out<double> out) {
            require(labels.size() == o.n_tokens() && out.size() == o.n_sequences(), "labels or out has the wrong size");
            require(between(labels, kAnyLabel, o.n_labels()), "labels must be from -1 to n_labels - 1");
            nb::gil_scoped_release release;
            o.log_likelihood(labels.data(), out.data());
        }, "labels"_a.noconvert(), "out"_a.noconvert())
        .def("best_paths", [](Bound& o, size_t most, Out<int32_t> paths, Out<double> out, Out<int64_t> counts) {
            product(product(most, std::max(o.n_tokens(), o.n_sequences())), o.n_labels());
            require(most > 0 && paths.size() == most * o.n_tokens() && out.size() == most * o.n_sequences() && counts.size() == o.n_sequences(), "paths, out or counts has the wrong size");
            nb::gil_scoped_release release;
            o.best_paths(most, paths.data(), out.data(), counts.data());
        }, "most"_a, "paths"_a.noconvert(), "out"_a.noconvert(), "counts"_a.noconvert());
}

template <class I>
static void bind_rows(nb::module_& m) {
    m.def("rows_increase", [](In<I> indptr, In<I> indices) {
        if (const char* error = check_indptr(indptr.data(), indptr.size(), indices.size())) throw std::invalid_argument(error);
        nb::gil_scoped_release release;
        return increase(indptr.data(), indptr.size() - 1, indices.data());
    }, "indptr"_a.noconvert(), "indices"_a.noconvert());
    m.def("observed_pairs", [](In<I> indptr, In<I> indices, In<int32_t> labels, size_t n_columns, size_t n_labels, Out<int64_t> first) {
        require(labels.size() + 1 == indptr.size() && first.size() == product(n_columns, 1) + 1, "labels or first has the wrong size");
        require(n_labels <= INT32_MAX && between(labels, kAnyLabel, n_labels), "labels must be from -1 to n_labels - 1");
        product(n_columns, n_labels);
        std::vector<int32_t> label;
        {
            nb::gil_scoped_release release;
            check_rows(indptr, indices, indices.size(), n_columns);
            label = observed_pairs(indptr.data(), indices.data(), labels.data(), labels.size(), n_columns, n_labels, first.data());
        }
        return to_numpy(std::move(label));
    }, "indptr"_a.noconvert(), "indices"_a.noconvert(), "labels"_a.noconvert(), "n_columns"_a, "n_labels"_a, "first"_a.noconvert());
}

void bind_chains(nb::module_& m) {
    bind_chain<float, int32_t>(m, "F32I32");
    bind_decoder<float, int32_t>(m, "F32I32");
    bind_chain<float, int64_t>(m, "F32I64");
    bind_decoder<float, int64_t>(m, "F32I64");
    bind_chain<double, int32_t>(m, "F64I32");
    bind_decoder<double, int32_t>(m, "F64I32");
    bind_chain<double, int64_t>(m, "F64I64");
    bind_decoder<double, int64_t>(m, "F64I64");
    bind_rows<int32_t>(m);
    bind_rows<int64_t>(m);
}
