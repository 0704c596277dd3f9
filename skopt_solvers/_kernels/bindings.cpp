// What Python sees of the kernels; only features.cpp knows Python beside it. Checks shapes, lets go of the GIL, calls the kernels.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "chain.hpp"
#include "decode.hpp"
#include "lbfgs.hpp"
#include "linear.hpp"
#include "rules.hpp"

namespace nb = nanobind;
using namespace nb::literals;

template <class T> using In = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T> using Out = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

static void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

// A vector that NumPy owns.
template <class T>
static auto to_numpy(std::vector<T> values, size_t columns) {
    auto* owner = new std::vector<T>(std::move(values));
    nb::capsule free(owner, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return nb::ndarray<nb::numpy, T>(owner->data(), {owner->size() / columns, columns}, free);
}

template <class T> static T* pointer(Out<T>& array) { return array.size() ? array.data() : nullptr; }
static double pointer(double value) { return value; }
static bool pointer(bool value) { return value; }

// A rule over arrays that it keeps alive. The first array has the size of the table.
template <class T, class F, class... A>
struct BoundRule : RuleOf<T, F> {
    std::tuple<A...> kept;
    explicit BoundRule(A... a) : RuleOf<T, F>(F{pointer(a)...}), kept(a...) {
        this->table = std::get<0>(kept).data();
        this->size = std::get<0>(kept).size();
    }
};

template <class T, class F, class... A>
static void rule(nb::module_& m, const std::string& name) {
    nb::class_<BoundRule<T, F, A...>, Rule<T>>(m, name.c_str()).def(nb::init<A...>());
}

template <class T>
static void bind_rules(nb::module_& m, const std::string& suffix) {
    using Table = Out<T>;
    using Clock = Out<int64_t>;
    nb::class_<Rule<T>>(m, ("Rule" + suffix).c_str()).def_rw("weight_decay", &Rule<T>::weight_decay);
    rule<T, Momentum<T>, Table, double, bool>(m, "Momentum" + suffix);
    rule<T, AdaGrad<T>, Table, double>(m, "AdaGrad" + suffix);
    rule<T, RMSProp<T>, Table, Table, double, double>(m, "RMSProp" + suffix);
    rule<T, Adam<T>, Table, Table, Table, Clock, double, double, double>(m, "Adam" + suffix);
    rule<T, AdamW<T>, Table, Table, Table, Clock, double, double, double>(m, "AdamW" + suffix);
}

template <class T>
static void bind_solver_kernels(nb::module_& m, const std::string& suffix) {
    nb::class_<Objective<T>>(m, ("Objective" + suffix).c_str());
    m.def("run_epoch", [](Objective<T>& objective, Rule<T>& rule, Out<T> W, In<int64_t> order, size_t batch_size, In<double> rates,
                          double clip_norm, Out<T> sum, Out<int64_t> since, Out<int64_t> steps) {
        require(W.size() == objective.n_rows * objective.n_outputs && (rule.size == W.size() || rule.size == 0), "W and the rule's tables must have the objective's size");
        require(batch_size > 0 && rates.size() >= (order.size() + batch_size - 1) / batch_size, "rates must have one entry a batch");
        bool averaging = sum.size() > 0;
        require(!averaging || (sum.size() == W.size() && since.size() == objective.n_rows && steps.size() == 1), "the averages must have W's size");
        nb::gil_scoped_release release;
        int64_t none = 0;
        RunningMean<T> mean{sum.data(), since.data(), averaging ? *steps.data() : none};
        return run_epoch(objective, rule, W.data(), order.data(), order.size(), batch_size, rates.data(), clip_norm, averaging ? &mean : nullptr);
    }, "objective"_a, "rule"_a, "W"_a.noconvert(), "order"_a.noconvert(), "batch_size"_a, "rates"_a.noconvert(), "clip_norm"_a,
       "sum"_a.noconvert(), "since"_a.noconvert(), "steps"_a.noconvert());
    m.def("two_loop", [](In<T> S, In<T> Y, In<double> rho, In<int64_t> order, In<T> g, In<T> h0, double gamma, Out<T> d, int n_threads) {
        size_t size = g.size();
        require(d.size() == size && (h0.size() == 0 || h0.size() == size), "g, h0 and d must have the same size");
        require(S.size() == rho.size() * size && Y.size() == S.size(), "S and Y must have a row for each rho");
        for (size_t j = 0; j < order.size(); ++j)
            require(order.data()[j] >= 0 && static_cast<size_t>(order.data()[j]) < rho.size(), "order must index rho");
        nb::gil_scoped_release release;
        two_loop(S.data(), Y.data(), rho.data(), order.data(), order.size(), g.data(), h0.size() ? h0.data() : nullptr, gamma, d.data(), size, n_threads);
    }, "S"_a.noconvert(), "Y"_a.noconvert(), "rho"_a.noconvert(), "order"_a.noconvert(), "g"_a.noconvert(), "h0"_a.noconvert(), "gamma"_a,
       "d"_a.noconvert(), "n_threads"_a);
    m.def("dot", [](In<T> a, In<T> b) {
        require(a.size() == b.size(), "a and b must have the same size");
        nb::gil_scoped_release release;
        return dot(a.data(), b.data(), a.size());
    }, "a"_a.noconvert(), "b"_a.noconvert());
}

// Loss, rows, values and shares of a minibatch.
template <class T>
static nb::tuple batch_gradient(Objective<T>& o, In<T> W, In<int64_t> batch, size_t n_samples) {
    require(W.size() == o.n_rows * o.n_outputs, "W has the wrong size");
    for (size_t b = 0; b < batch.size(); ++b)
        require(batch.data()[b] >= 0 && static_cast<size_t>(batch.data()[b]) < n_samples, "batch must index samples");
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

template <class T, class I>
static void bind_linear(nb::module_& m, const std::string& suffix) {
    using Linear = LinearObjective<T, I>;
    struct Bound final : Linear {  // keeps its arrays alive
        std::tuple<In<I>, In<I>, In<T>, In<int32_t>, In<T>, In<int64_t>> kept;
        Bound(In<I> indptr, In<I> indices, In<T> data, size_t n_columns, In<int32_t> labels, In<T> omega, In<int64_t> active, size_t n_outputs,
              bool intercept, const std::string& loss, double gamma, bool squared, double l1, double l2, int n_threads)
            : Linear(Csr<T, I>{indptr.data(), indices.data(), data.data(), indptr.size() - 1, n_columns}, labels.data(), omega.data(), active.data(),
                     active.size(), n_outputs, intercept, make_loss<T>(loss, gamma, squared), Penalty<T>{l1, l2}, n_threads),
              kept(indptr, indices, data, labels, omega, active) {
            require(n_outputs > 0 && labels.size() == indptr.size() - 1 && omega.size() == labels.size(), "labels and omega must have one entry a row");
        }
    };
    nb::class_<Bound, Objective<T>>(m, ("Linear" + suffix).c_str())
        .def(nb::init<In<I>, In<I>, In<T>, size_t, In<int32_t>, In<T>, In<int64_t>, size_t, bool, const std::string&, double, bool, double, double, int>(),
             "indptr"_a.noconvert(), "indices"_a.noconvert(), "data"_a.noconvert(), "n_columns"_a, "labels"_a.noconvert(), "omega"_a.noconvert(),
             "active"_a.noconvert(), "n_outputs"_a, "intercept"_a, "loss"_a, "gamma"_a, "squared"_a, "l1"_a, "l2"_a, "n_threads"_a)
        .def("curvature", [](Bound& o) { return o.curvature(); })
        .def("margins", [](Bound& o, In<T> W, Out<T> Z) {
            require(W.size() == o.table_size() && Z.size() == o.n_margins(), "W or Z has the wrong size");
            nb::gil_scoped_release release;
            o.margins(W.data(), Z.data());
        }, "W"_a.noconvert(), "Z"_a.noconvert())
        .def("loss", [](Bound& o, In<T> Z, Out<T> D) {
            require(Z.size() == o.n_margins() && D.size() == Z.size(), "Z or D has the wrong size");
            nb::gil_scoped_release release;
            return o.loss(Z.data(), D.data());
        }, "Z"_a.noconvert(), "D"_a.noconvert())
        .def("loss_along", [](Bound& o, In<T> Z, In<T> V, double step, Out<T> D) {
            require(Z.size() == o.n_margins() && V.size() == Z.size() && D.size() == Z.size(), "Z, V or D has the wrong size");
            nb::gil_scoped_release release;
            return o.loss_along(Z.data(), V.data(), step, D.data());
        }, "Z"_a.noconvert(), "V"_a.noconvert(), "step"_a, "D"_a.noconvert())
        .def("backward", [](Bound& o, In<T> D, Out<T> G) {
            require(D.size() == o.n_margins() && G.size() == o.table_size(), "D or G has the wrong size");
            nb::gil_scoped_release release;
            o.backward(D.data(), G.data());
        }, "D"_a.noconvert(), "G"_a.noconvert())
        .def("penalise", [](Bound& o, In<T> W, Out<T> G) {
            require(W.size() == o.table_size() && (G.size() == 0 || G.size() == W.size()), "W or G has the wrong size");
            nb::gil_scoped_release release;
            return o.penalise(W.data(), G.size() ? G.data() : nullptr);
        }, "W"_a.noconvert(), "G"_a.noconvert())
        .def("squared_norms", [](Bound& o, Out<T> square) {
            require(square.size() == o.n_rows, "square has the wrong size");
            nb::gil_scoped_release release;
            o.squared_norms(square.data());
        }, "square"_a.noconvert())
        .def("gradient", [](Bound& o, In<T> W, In<int64_t> batch) {
            return batch_gradient(o, W, batch, o.n_margins() / o.n_outputs);
        }, "W"_a.noconvert(), "batch"_a.noconvert());
    m.def("check_compressed", [](In<I> indptr, In<I> indices, In<T> data, size_t n_major, size_t n_minor, int n_threads) {
        nb::gil_scoped_release release;
        bool canonical;
        const char* error = check_compressed(indptr.data(), indptr.size(), indices.data(), indices.size(), data.data(), data.size(), n_major, n_minor, n_threads, canonical);
        return std::make_pair(std::string(error ? error : ""), canonical);
    }, "indptr"_a.noconvert(), "indices"_a.noconvert(), "data"_a.noconvert(), "n_major"_a, "n_minor"_a, "n_threads"_a);
}

template <class A>
static bool between(const A& values, int64_t low, int64_t high) {
    return std::all_of(values.data(), values.data() + values.size(), [&](int64_t v) { return low <= v && v < high; });
}

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
    using Chain = ChainObjective<T, I>;
    struct Bound final : Chain {  // keeps its arrays alive
        std::tuple<In<I>, In<I>, In<T>, In<int64_t>, In<int32_t>, In<T>, In<int64_t>, In<int64_t>, In<int32_t>, In<int32_t>, In<bool>> kept;
        size_t n_sequences;
        Bound(In<I> indptr, In<I> indices, In<T> data, size_t n_columns, In<int64_t> offsets, In<int32_t> labels, In<T> omega, In<int64_t> active,
              size_t K, bool boundaries, In<int64_t> first, In<int32_t> label, In<int32_t> transitions, In<bool> allowed, double l1, double l2, int n_threads)
            : Chain(ChainData<T, I>{Csr<T, I>{indptr.data(), indices.data(), data.data(), indptr.size() - 1, n_columns}, offsets.data(), sequences_of(offsets, indptr),
                                    (check(indptr.size() - 1, offsets, labels, omega, active, K, first, label, n_columns, transitions, allowed), labels.data()), omega.data()},
                    ChainLayout<T>{n_columns, K, boundaries, first.size() ? first.data() : nullptr, label.data(), transitions.data(), transitions.size(),
                                   allowed.data(), allowed.data() + K * K, allowed.data() + K * K + K},
                    active.data(), active.size(), Penalty<T>{l1, l2}, n_threads),
              kept(indptr, indices, data, offsets, labels, omega, active, first, label, transitions, allowed), n_sequences(offsets.size() - 1) {}
        static void check(size_t n_tokens, const In<int64_t>& offsets, const In<int32_t>& labels, const In<T>& omega, const In<int64_t>& active, size_t K,
                          const In<int64_t>& first, const In<int32_t>& label, size_t n_columns, const In<int32_t>& transitions, const In<bool>& allowed) {
            require(K > 0 && labels.size() == n_tokens && between(labels, kAnyLabel, K), "labels must be one a token, from -1 to n_labels - 1");
            require(omega.size() == offsets.size() - 1 && between(active, 0, omega.size()), "omega must have one entry a sequence, and active index it");
            for (size_t i = 0; i < active.size(); ++i) require(offsets.data()[active.data()[i] + 1] > offsets.data()[active.data()[i]], "active sequences must have tokens");
            require(between(transitions, 0, K * K) && allowed.size() == K * K + 2 * K, "transitions or allowed do not fit n_labels");
            check_pairs(first, label, n_columns, K);
        }
    };
    nb::class_<Bound, Objective<T>>(m, ("Chain" + suffix).c_str())
        .def(nb::init<In<I>, In<I>, In<T>, size_t, In<int64_t>, In<int32_t>, In<T>, In<int64_t>, size_t, bool, In<int64_t>, In<int32_t>, In<int32_t>, In<bool>,
                      double, double, int>(),
             "indptr"_a.noconvert(), "indices"_a.noconvert(), "data"_a.noconvert(), "n_columns"_a, "offsets"_a.noconvert(), "labels"_a.noconvert(),
             "omega"_a.noconvert(), "active"_a.noconvert(), "n_labels"_a, "boundaries"_a, "first"_a.noconvert(), "label"_a.noconvert(),
             "transitions"_a.noconvert(), "allowed"_a.noconvert(), "l1"_a, "l2"_a, "n_threads"_a)
        .def("value_and_gradient", [](Bound& o, In<T> W, Out<T> G) {
            require(W.size() == o.table_size() && (G.size() == 0 || G.size() == W.size()), "W or G has the wrong size");
            nb::gil_scoped_release release;
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
        .def("gradient", [](Bound& o, In<T> W, In<int64_t> batch) {
            return batch_gradient(o, W, batch, o.n_sequences);
        }, "W"_a.noconvert(), "batch"_a.noconvert());
}

template <class T, class I>
static void bind_decoder(nb::module_& m, const std::string& suffix) {
    using Decoder = ChainDecoder<T, I>;
    struct Bound final : Decoder {  // keeps its arrays alive
        std::tuple<In<I>, In<I>, In<T>, In<int64_t>, In<T>, In<int64_t>, In<int32_t>, In<int32_t>> kept;
        Bound(In<I> indptr, In<I> indices, In<T> data, size_t n_columns, In<int64_t> offsets, In<T> W, In<int64_t> first, In<int32_t> label, In<T> transitions,
              In<T> start, In<T> end, In<int32_t> fixed, int n_threads)
            : Decoder(Csr<T, I>{indptr.data(), indices.data(), data.data(), indptr.size() - 1, n_columns}, offsets.data(), sequences_of(offsets, indptr),
                      ChainLayout<T>{(check(indptr.size() - 1, n_columns, start.size(), W, first, label, fixed), n_columns), start.size(), false, first.size() ? first.data() : nullptr, label.data(), nullptr, 0, nullptr, nullptr, nullptr},
                      W.data(), chain_of(transitions, start, end), fixed.size() ? fixed.data() : nullptr, n_threads),
              kept(indptr, indices, data, offsets, W, first, label, fixed) {}
        static void check(size_t n_tokens, size_t n_columns, size_t K, const In<T>& W, const In<int64_t>& first, const In<int32_t>& label, const In<int32_t>& fixed) {
            require(K > 0 && W.size() == (first.size() ? label.size() : n_columns * K), "W must have a weight for each pair");
            require(fixed.size() == 0 || (fixed.size() == n_tokens && between(fixed, kAnyLabel, K)), "fixed must be one a token, from -1 to n_labels - 1");
            check_pairs(first, label, n_columns, K);
        }
        static Transitions<T> chain_of(const In<T>& transitions, const In<T>& start, const In<T>& end) {
            size_t K = start.size();
            require(transitions.size() == K * K && end.size() == K, "transitions, start and end must have n_labels entries a side");
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
            nb::gil_scoped_release release;
            o.log_likelihood(labels.data(), out.data());
        }, "labels"_a.noconvert(), "out"_a.noconvert())
        .def("best_paths", [](Bound& o, size_t most, Out<int32_t> paths, Out<double> out, Out<int64_t> counts) {
            require(paths.size() == most * o.n_tokens() && out.size() == most * o.n_sequences() && counts.size() == o.n_sequences(), "paths, out or counts has the wrong size");
            nb::gil_scoped_release release;
            o.best_paths(most, paths.data(), out.data(), counts.data());
        }, "most"_a, "paths"_a.noconvert(), "out"_a.noconvert(), "counts"_a.noconvert());
}

template <class I>
static void bind_pairs(nb::module_& m) {
    m.def("observed_pairs", [](In<I> indptr, In<I> indices, In<int32_t> labels, size_t n_columns, size_t n_labels, Out<int64_t> first) {
        require(labels.size() + 1 == indptr.size() && first.size() == n_columns + 1, "labels or first has the wrong size");
        std::vector<int32_t> label;
        {
            nb::gil_scoped_release release;
            label = observed_pairs(indptr.data(), indices.data(), labels.data(), labels.size(), n_columns, n_labels, first.data());
        }
        return to_numpy(std::move(label), 1);
    }, "indptr"_a.noconvert(), "indices"_a.noconvert(), "labels"_a.noconvert(), "n_columns"_a, "n_labels"_a, "first"_a.noconvert());
}

NB_MODULE(MODULE_NAME, m) {
    bind_solver_kernels<float>(m, "F32");
    bind_solver_kernels<double>(m, "F64");
    bind_rules<float>(m, "F32");
    bind_rules<double>(m, "F64");
    bind_linear<float, int32_t>(m, "F32I32");
    bind_linear<float, int64_t>(m, "F32I64");
    bind_linear<double, int32_t>(m, "F64I32");
    bind_linear<double, int64_t>(m, "F64I64");
    bind_chain<float, int32_t>(m, "F32I32");
    bind_chain<float, int64_t>(m, "F32I64");
    bind_chain<double, int32_t>(m, "F64I32");
    bind_chain<double, int64_t>(m, "F64I64");
    bind_decoder<float, int32_t>(m, "F32I32");
    bind_decoder<float, int64_t>(m, "F32I64");
    bind_decoder<double, int32_t>(m, "F64I32");
    bind_decoder<double, int64_t>(m, "F64I64");
    bind_pairs<int32_t>(m);
    bind_pairs<int64_t>(m);
    m.def("shuffled", [](In<int64_t> values, uint64_t seed, Out<int64_t> out) {
        require(values.size() == out.size(), "values and out must have the same size");
        nb::gil_scoped_release release;
        std::copy(values.data(), values.data() + values.size(), out.data());
        shuffle(out.data(), out.size(), seed);
    }, "values"_a.noconvert(), "seed"_a, "out"_a.noconvert());
    m.def("cpu_is_v3", [] {
#if defined(__x86_64__)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#else
        return false;
#endif
    });
}
