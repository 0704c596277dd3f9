// Bindings of the update rules, of the epoch that runs them, and of the two-loop recursion.
#include <algorithm>
#include <string>
#include <tuple>
#include <type_traits>

#include "base/bind_objective.hpp"
#include "solvers/lbfgs.hpp"
#include "solvers/rules.hpp"

template <class T>
static T* member(const Out<T>& values) {
    return pointer_or_null(values);
}
static double member(double value) { return value; }
static bool member(bool value) { return value; }

// Keeps the arrays of a rule alive: tables, of which the one at `optional` may be empty, and clocks of its rows.
template <class T, class F, int optional, class... A>
struct BoundRule : RuleOf<T, F> {
    std::tuple<A...> kept;

    explicit BoundRule(A... a) : RuleOf<T, F>(F{member(a)...}), kept(a...) {
        this->table = std::get<0>(kept).data();
        this->size = std::get<0>(kept).size();
    }

    bool fits(size_t n_rows, size_t n_outputs) const override {
        int place = 0;
        auto right = [&]<class B>(const B& value) {
            bool may_be_empty = place++ == optional;
            if constexpr (std::is_arithmetic_v<B>) {
                return true;
            } else {
                size_t size = std::is_same_v<B, Out<T>> ? n_rows * n_outputs : n_rows;
                return value.size() == size || (may_be_empty && value.size() == 0);
            }
        };
        return std::apply([&](const auto&... values) { return (right(values) && ...); }, kept);
    }
};

template <class T, class F, int optional, class... A>
static void rule(nb::module_& m, const std::string& name) {
    nb::class_<BoundRule<T, F, optional, A...>, Rule<T>>(m, name.c_str()).def(nb::init<A...>());
}

template <class T>
static void bind_rules(nb::module_& m, const std::string& suffix) {
    using Table = Out<T>;
    using Clock = Out<int64_t>;
    nb::class_<Rule<T>>(m, ("Rule" + suffix).c_str()).def_rw("weight_decay", &Rule<T>::weight_decay);
    rule<T, Momentum<T>, 0, Table, double, bool>(m, "Momentum" + suffix);
    rule<T, AdaGrad<T>, -1, Table, double>(m, "AdaGrad" + suffix);
    rule<T, RMSProp<T>, 1, Table, Table, double, double>(m, "RMSProp" + suffix);
    rule<T, Adam<T>, 2, Table, Table, Table, Clock, double, double, double>(m, "Adam" + suffix);
    rule<T, AdamW<T>, 2, Table, Table, Table, Clock, double, double, double>(m, "AdamW" + suffix);
}

template <class T>
static double epoch(Objective<T>& objective, Rule<T>& rule, Out<T> W, In<int64_t> order, size_t batch_size,
                    In<double> rates, double clip_norm, Out<T> sum, Out<int64_t> since, Out<int64_t> steps) {
    require(W.size() == objective.n_rows * objective.n_outputs && rule.fits(objective.n_rows, objective.n_outputs),
            "W and the rule's tables must have the objective's size");
    require(between(order, 0, objective.n_samples), "order must index samples");
    batch_size = std::min(batch_size, std::max<size_t>(order.size(), 1));
    require(batch_size > 0 && rates.size() >= (order.size() + batch_size - 1) / batch_size,
            "rates must have one entry a batch");
    bool averaging = sum.size() > 0;
    require(!averaging || (sum.size() == W.size() && since.size() == objective.n_rows && steps.size() == 1),
            "the averages must have W's size");
    Call call(objective.busy);
    int64_t none = 0;
    RunningMean<T> mean{sum.data(), since.data(), averaging ? *steps.data() : none};
    return run_epoch(objective, rule, W.data(), order.data(), order.size(), batch_size, rates.data(), clip_norm,
                     averaging ? &mean : nullptr);
}

template <class T>
static void recursion(In<T> S, In<T> Y, In<double> rho, In<int64_t> order, In<T> g, In<T> h0, double gamma, Out<T> d,
                      int n_threads) {
    size_t size = g.size();
    require(d.size() == size && (h0.size() == 0 || h0.size() == size), "g, h0 and d must have the same size");
    require(S.size() == product(rho.size(), size) && Y.size() == S.size(), "S and Y must have a row for each rho");
    require(between(order, 0, rho.size()), "order must index rho");
    nb::gil_scoped_release release;
    two_loop(S.data(), Y.data(), rho.data(), order.data(), order.size(), g.data(), pointer_or_null(h0), gamma, d.data(),
             size, n_threads);
}

template <class T>
static void bind_functions(nb::module_& m) {
    m.def("run_epoch", &epoch<T>, "objective"_a, "rule"_a, array("W"), array("order"), "batch_size"_a, array("rates"),
          "clip_norm"_a, array("sum"), array("since"), array("steps"));
    m.def("two_loop", &recursion<T>, array("S"), array("Y"), array("rho"), array("order"), array("g"), array("h0"),
          "gamma"_a, array("d"), "n_threads"_a);
}

void bind_solvers(nb::module_& m) {
    bind_functions<float>(m);
    bind_functions<double>(m);
    bind_rules<float>(m, "F32");
    bind_rules<double>(m, "F64");
}
