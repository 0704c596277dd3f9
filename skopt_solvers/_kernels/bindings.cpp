// The module: solvers' kernels and rules; the models are in files of their own.
#include "bindings.hpp"

#include "interrupt.hpp"
#include "lbfgs.hpp"
#include "rules.hpp"
#include "shuffle.hpp"

#if defined(_WIN32)
#include <intrin.h>
extern "C" __declspec(dllimport) int __stdcall IsProcessorFeaturePresent(unsigned long);
#endif

template <class T> static T* pointer(const Out<T>& array) { return array.size() ? array.data() : nullptr; }
static double pointer(double value) { return value; }
static bool pointer(bool value) { return value; }

// A rule over arrays that it keeps alive: tables, of which the one at `optional` may be empty, and clocks of its rows.
template <class T, class F, int optional, class... A>
struct BoundRule : RuleOf<T, F> {
    std::tuple<A...> kept;
    explicit BoundRule(A... a) : RuleOf<T, F>(F{pointer(a)...}), kept(a...) {
        this->table = std::get<0>(kept).data();
        this->size = std::get<0>(kept).size();
    }
    bool fits(size_t n_rows, size_t n_outputs) const override {
        int place = 0;
        auto right = [&]<class B>(const B& value) {
            bool may_be_empty = place++ == optional;
            if constexpr (std::is_arithmetic_v<B>) return true;
            else return value.size() == (std::is_same_v<B, Out<T>> ? n_rows * n_outputs : n_rows) || (may_be_empty && value.size() == 0);
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
static void bind_solver_kernels(nb::module_& m, const std::string& suffix) {
    nb::class_<Objective<T>>(m, ("Objective" + suffix).c_str());
    m.def("run_epoch", [](Objective<T>& objective, Rule<T>& rule, Out<T> W, In<int64_t> order, size_t batch_size, In<double> rates,
                          double clip_norm, Out<T> sum, Out<int64_t> since, Out<int64_t> steps) {
        require(W.size() == objective.n_rows * objective.n_outputs && rule.fits(objective.n_rows, objective.n_outputs), "W and the rule's tables must have the objective's size");
        require(between(order, 0, objective.n_samples), "order must index samples");
        batch_size = std::min(batch_size, std::max<size_t>(order.size(), 1));
        require(batch_size > 0 && rates.size() >= (order.size() + batch_size - 1) / batch_size, "rates must have one entry a batch");
        bool averaging = sum.size() > 0;
        require(!averaging || (sum.size() == W.size() && since.size() == objective.n_rows && steps.size() == 1), "the averages must have W's size");
        Call call(objective.busy);
        int64_t none = 0;
        RunningMean<T> mean{sum.data(), since.data(), averaging ? *steps.data() : none};
        return run_epoch(objective, rule, W.data(), order.data(), order.size(), batch_size, rates.data(), clip_norm, averaging ? &mean : nullptr);
    }, "objective"_a, "rule"_a, "W"_a.noconvert(), "order"_a.noconvert(), "batch_size"_a, "rates"_a.noconvert(), "clip_norm"_a,
       "sum"_a.noconvert(), "since"_a.noconvert(), "steps"_a.noconvert());
    m.def("two_loop", [](In<T> S, In<T> Y, In<double> rho, In<int64_t> order, In<T> g, In<T> h0, double gamma, Out<T> d, int n_threads) {
        size_t size = g.size();
        require(d.size() == size && (h0.size() == 0 || h0.size() == size), "g, h0 and d must have the same size");
        require(S.size() == product(rho.size(), size) && Y.size() == S.size(), "S and Y must have a row for each rho");
        require(between(order, 0, rho.size()), "order must index rho");
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

// Python's own handlers run here; one that raises, as Ctrl-C's does, leaves its error set.
static bool python_signal_arrived() {
    nb::gil_scoped_acquire acquire;
    return PyErr_CheckSignals() != 0;
}

NB_MODULE(MODULE_NAME, m) {
    signal_arrived = &python_signal_arrived;
    nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
        try {
            std::rethrow_exception(thrown);
        } catch (const Interrupted&) {
            // the error of Python is set
        }
    });
    bind_solver_kernels<float>(m, "F32");
    bind_solver_kernels<double>(m, "F64");
    bind_rules<float>(m, "F32");
    bind_rules<double>(m, "F64");
    bind_linear_models(m);
    bind_chains(m);
    m.def("shuffled", [](In<int64_t> values, uint64_t seed, size_t run, Out<int64_t> out) {
        require(values.size() == out.size() && run > 0, "values and out must have the same size, and run must be positive");
        nb::gil_scoped_release release;
        shuffle_runs(values.data(), values.size(), run, seed, out.data());
    }, "values"_a.noconvert(), "seed"_a, "run"_a, "out"_a.noconvert());
    m.def("cpu_is_v3", [] {
#if defined(_WIN32) && defined(__x86_64__)
        // __builtin_cpu_supports needs compiler-rt, which clang-cl does not link
        int leaf1[4], leaf7[4];
        __cpuidex(leaf1, 1, 0);
        __cpuidex(leaf7, 7, 0);
        constexpr unsigned long avx2_and_its_registers_saved = 40;
        return IsProcessorFeaturePresent(avx2_and_its_registers_saved) && (leaf1[2] >> 12 & 1) && (leaf7[1] >> 8 & 1);
#elif defined(__x86_64__)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#else
        return false;
#endif
    });
}
