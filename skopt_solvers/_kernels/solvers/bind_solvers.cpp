// Bindings of the update rules, of the epoch that runs them, and of the two-loop recursion.
#include <algorithm>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bind_objective.hpp"
#include "solvers/epoch.hpp"
#include "solvers/epoch_of_many.hpp"
#include "solvers/lbfgs.hpp"
#include "solvers/proximal.hpp"
#include "solvers/rules.hpp"
#include "solvers/steps.hpp"

template <class T>
static T* member(const Out<T>& values) {
    return pointer_or_null(values);
}
static double member(double value) { return value; }
static bool member(bool value) { return value; }

// The arrays of a rule: tables of the shape of W, of which some may be empty, and values of which each row has one.
template <class T>
struct Table {
    using Array = Out<T>;
    static constexpr bool is_table = true;
    static bool fits(size_t size, size_t n_rows, size_t n_outputs) { return size == n_rows * n_outputs; }
};
template <class T>
struct TableOrEmpty {
    using Array = Out<T>;
    static constexpr bool is_table = true;
    static bool fits(size_t size, size_t n_rows, size_t n_outputs) { return size == 0 || size == n_rows * n_outputs; }
};
template <class V>
struct RowValues {
    using Array = Out<V>;
    static bool fits(size_t size, size_t n_rows, size_t) { return size == n_rows; }
};

template <class A>
constexpr bool kIsTable = requires { requires A::is_table; };

// What Python gives for a member of a rule: an array for one of these, and a number for itself.
template <class A>
struct Given {
    using type = A;
    static bool fits(A, size_t, size_t) { return true; }
};
template <class A>
    requires requires { typename A::Array; }
struct Given<A> {
    using type = typename A::Array;
    static bool fits(const type& array, size_t n_rows, size_t n_outputs) {
        return A::fits(array.size(), n_rows, n_outputs);
    }
};

// A rule over arrays that it keeps alive.
template <class T, class F, class... A>
struct BoundRule : RuleOf<T, F> {
    std::tuple<typename Given<A>::type...> kept;

    explicit BoundRule(typename Given<A>::type... given) : RuleOf<T, F>(F{member(given)...}), kept(given...) {
        (add_table<A>(given), ...);
        this->copies.resize(this->tables.size() * kBlock);
        T* next = this->copies.data();
        this->block = F{in_block<A>(given, next)...};
    }

    template <class Kind, class Value>
    void add_table(const Value& given) {
        if constexpr (kIsTable<Kind>)
            if (given.size()) this->tables.push_back(given.data());
    }

    // Returns the place of a table in the copies, and what is no table as it is.
    template <class Kind, class Value>
    static auto in_block(const Value& given, [[maybe_unused]] T*& next) {
        auto own = member(given);
        if constexpr (kIsTable<Kind>)
            if (own) own = std::exchange(next, next + kBlock);
        return own;
    }

    bool fits(size_t n_rows, size_t n_outputs) const override {
        return std::apply([&](const auto&... given) { return (Given<A>::fits(given, n_rows, n_outputs) && ...); },
                          kept);
    }
};

template <class T, class F, class... A>
static void rule(nb::module_& m, const std::string& name) {
    nb::class_<BoundRule<T, F, A...>, Rule<T>>(m, name.c_str()).def(nb::init<typename Given<A>::type...>());
}

template <class T>
static void bind_rules(nb::module_& m, const std::string& suffix) {
    using Clock = RowValues<int64_t>;
    nb::class_<Rule<T>>(m, ("Rule" + suffix).c_str()).def_rw("weight_decay", &Rule<T>::weight_decay);
    rule<T, Momentum<T>, TableOrEmpty<T>, double, bool>(m, "Momentum" + suffix);
    rule<T, AdaGrad<T>, Table<T>, double>(m, "AdaGrad" + suffix);
    rule<T, RMSProp<T>, Table<T>, TableOrEmpty<T>, double, double>(m, "RMSProp" + suffix);
    rule<T, Adam<T>, Table<T>, Table<T>, TableOrEmpty<T>, Clock, double, double, double>(m, "Adam" + suffix);
    rule<T, AdamW<T>, Table<T>, Table<T>, TableOrEmpty<T>, Clock, double, double, double>(m, "AdamW" + suffix);
    rule<T, FTRL<T>, Table<T>, Table<T>, RowValues<double>, double, double, double>(m, "FTRL" + suffix);
}

template <class T>
static double epoch(Objective<T>& objective, Rule<T>& rule, Out<T> W, In<int64_t> order, size_t batch_size,
                    In<double> rates, double clip_norm, Out<T> sum, Out<int64_t> since, Out<int64_t> steps,
                    Out<double> losses) {
    require(W.size() == objective.n_rows * objective.n_outputs && rule.fits(objective.n_rows, objective.n_outputs),
            "W and the rule's tables must have the objective's size");
    require(between(order, 0, objective.n_samples), "order must index samples");
    batch_size = std::min(batch_size, std::max<size_t>(order.size(), 1));
    size_t n_batches = batch_size > 0 ? (order.size() + batch_size - 1) / batch_size : 0;
    require(batch_size > 0 && rates.size() >= n_batches, "rates must have one entry a batch");
    require(losses.size() == 0 || losses.size() >= n_batches, "losses must be empty or have one entry a batch");
    bool averaging = sum.size() > 0;
    require(!averaging || (sum.size() == W.size() && since.size() == objective.n_rows && steps.size() == 1),
            "the averages must have W's size");
    Call call(objective.busy);
    int64_t none = 0;
    RunningMean<T> mean{sum.data(), since.data(), averaging ? *steps.data() : none};
    return run_epoch(objective, rule, W.data(), order.data(), order.size(), batch_size, rates.data(), clip_norm,
                     averaging ? &mean : nullptr, pointer_or_null(losses));
}

// Returns the mean loss of each model of the objective; `rates` has a row for each, and l1 and l2 an entry.
template <class T>
static auto epoch_of_many(Objective<T>& objective, Rule<T>& rule, Out<T> W, In<int64_t> order, size_t batch_size,
                          In<double> rates, In<double> l1, In<double> l2) {
    size_t n_models = objective.n_models;
    require(W.size() == objective.n_rows * objective.n_outputs && rule.fits(objective.n_rows, objective.n_outputs),
            "W and the rule's tables must have the objective's size");
    require(l1.size() == n_models && l2.size() == n_models, "l1 and l2 must have an entry a model");
    require(between(order, 0, objective.n_samples), "order must index samples");
    batch_size = std::min(batch_size, std::max<size_t>(order.size(), 1));
    require(batch_size > 0 && rates.size() == n_models * ((order.size() + batch_size - 1) / batch_size),
            "rates must have one entry a model and batch");
    std::vector<Penalty<T>> penalties;
    for (size_t m = 0; m < n_models; ++m) penalties.push_back({l1.data()[m], l2.data()[m]});
    std::vector<double> losses;
    {
        Call call(objective.busy);
        losses = run_epoch_of_many(objective, rule, W.data(), order.data(), order.size(), batch_size, rates.data(),
                                   penalties);
    }
    return to_numpy(std::move(losses));
}

template <class T>
static void recursion(In<T> S, In<T> Y, In<double> rho, In<int64_t> order, In<T> g, In<T> h0, double gamma,
                      In<int64_t> entries, In<T> inverse, Out<T> d, int n_threads) {
    size_t size = g.size();
    require(d.size() == size && (h0.size() == 0 || h0.size() == size), "g, h0 and d must have the same size");
    require(S.size() == product(rho.size(), size) && Y.size() == S.size(), "S and Y must have a row for each rho");
    require(between(order, 0, rho.size()), "order must index rho");
    require(between(entries, 0, size) && inverse.size() == product(entries.size(), entries.size()),
            "entries must index g, and inverse must have a row and a column for each");
    nb::gil_scoped_release release;
    const InverseBlock<T> block{entries.data(), entries.size(), inverse.data()};
    two_loop(S.data(), Y.data(), rho.data(), order.data(), order.size(), g.data(), pointer_or_null(h0), gamma, block,
             d.data(), size, n_threads);
}

// Returns how much the linear part of the model changes along d.
template <class T>
static double proximal_step(In<T> S, In<T> Y, In<T> products, In<int64_t> order, In<double> transform, In<double> signs,
                            In<T> diagonal, In<int64_t> entries, In<T> matrix, In<T> w, In<T> g, double l1, size_t most,
                            double little, Out<T> d) {
    const size_t size = g.size(), n_entries = entries.size(), n_pairs = order.size(), rank = 2 * n_pairs;
    require(d.size() == size && w.size() == size && diagonal.size() == size,
            "diagonal, w, g and d must have the same size");
    require(size <= INT32_MAX && between(entries, 0, size) && matrix.size() == product(n_entries, n_entries),
            "entries must index g, and matrix must have a row and a column for each");
    const size_t n_rows = size ? S.size() / size : 0;
    require(S.size() == product(n_rows, size) && Y.size() == S.size() && products.size() == product(n_rows, n_entries),
            "S, Y and products must have the same rows");
    require(between(order, 0, n_rows), "order must index the rows of S");
    require(signs.size() == rank && transform.size() == product(rank, rank),
            "signs and transform must have two entries a side for each pair");
    nb::gil_scoped_release release;
    const ProximalModel<T> model{size,     diagonal.data(), entries.data(), n_entries, matrix.data(),    S.data(),
                                 Y.data(), products.data(), order.data(),   n_pairs,   transform.data(), signs.data()};
    ProximalStep<T> step(model, w.data(), g.data(), static_cast<T>(l1));
    step.descend(most, little);
    return step.write(d.data());
}

template <class T>
static void bind_functions(nb::module_& m) {
    m.def("run_epoch", &epoch<T>, "objective"_a, "rule"_a, array("W"), array("order"), "batch_size"_a, array("rates"),
          "clip_norm"_a, array("sum"), array("since"), array("steps"), array("losses"));
    m.def("run_epoch_of_many", &epoch_of_many<T>, "objective"_a, "rule"_a, array("W"), array("order"), "batch_size"_a,
          array("rates"), array("l1"), array("l2"));
    m.def("two_loop", &recursion<T>, array("S"), array("Y"), array("rho"), array("order"), array("g"), array("h0"),
          "gamma"_a, array("entries"), array("inverse"), array("d"), "n_threads"_a);
    m.def("proximal_step", &proximal_step<T>, array("S"), array("Y"), array("products"), array("order"),
          array("transform"), array("signs"), array("diagonal"), array("entries"), array("matrix"), array("w"),
          array("g"), "l1"_a, "most"_a, "little"_a, array("d"));
}

void bind_solvers(nb::module_& m) {
    bind_functions<float>(m);
    bind_functions<double>(m);
    bind_rules<float>(m, "F32");
    bind_rules<double>(m, "F64");
}
