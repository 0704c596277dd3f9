// Adds AdaGrad's epochs to the classes of chains, as their method warm_up.
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <vector>

#include "chain/bind_chain.hpp"
#include "solvers/chain_adagrad.hpp"

template <class T, class I>
static std::vector<double> warm_up(BoundChain<T, I>& o, Out<T> W, In<int64_t> orders, In<double> rates,
                                   size_t batch_size, double epsilon) {
    require(W.size() == o.table_size(), "W has the wrong size");
    require(rates.size() > 0 && orders.size() % rates.size() == 0 && between(orders, 0, o.n_samples),
            "orders must have as many sequences for each rate");
    require(batch_size > 0, "batch_size must be positive");
    batch_size = std::min(batch_size, std::max<size_t>(orders.size(), 1));
    Call call(o.busy);
    return ChainAdaGrad<T, I>(o, epsilon)
        .run(W.data(), orders.data(), orders.size() / rates.size(), rates.data(), rates.size(), batch_size);
}

template <class T, class I>
static void bind() {
    nb::cpp_function_def(&warm_up<T, I>, nb::scope(nb::type<BoundChain<T, I>>()), nb::name("warm_up"), nb::is_method(),
                         array("W"), array("orders"), array("rates"), "batch_size"_a, "epsilon"_a);
}

void bind_chain_adagrad(nb::module_&) {
    bind<float, int32_t>();
    bind<float, int64_t>();
    bind<double, int32_t>();
    bind<double, int64_t>();
}
