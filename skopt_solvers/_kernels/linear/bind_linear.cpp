// Bindings of the objective of linear models.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "base/bind_objective.hpp"
#include "linear/bind_indicator.hpp"
#include "linear/bind_rows.hpp"
#include "linear/kernel_newton.hpp"
#include "linear/linear_objective.hpp"
#include "linear/newton.hpp"

// Keeps the arrays alive that the objective reads.
template <class T, class Rows>
class BoundLinear final : public LinearObjective<T, Rows> {
    using Linear = LinearObjective<T, Rows>;

public:
    BoundLinear(Held<Rows> X, In<int32_t> labels, In<T> omega, In<int64_t> active, size_t n_outputs, bool intercept,
                const std::string& loss, double gamma, bool squared, double l1, double l2, int n_threads,
                size_t n_models, Labels<T> indicator)
        : Linear(X.rows, labels.data(), omega.data(), active.data(), active.size(), n_outputs, intercept,
                 loss_of(make_loss<T>(loss, gamma, squared), indicator), Penalty<T>{l1, l2}, n_threads, n_models),
          X_(X), kept_(labels, omega, active) {
        require(n_models > 0 && n_outputs % n_models == 0, "n_models must divide n_outputs");
        require_outputs(indicator, n_outputs / n_models);
        require(n_outputs > 0 && labels.size() == X.rows.n_rows && omega.size() == labels.size(),
                "labels and omega must have one entry a row");
        product(std::max<size_t>({X.rows.n_cols, labels.size(), 1}), n_outputs);
        require(between(labels, 0, this->n_labels()), "labels must index outputs");
        require(between(active, 0, labels.size()), "active must index rows");
    }

    void margins(In<T> W, Out<T> Z) const {
        require(W.size() == this->table_size() && Z.size() == this->n_margins(), "W or Z has the wrong size");
        nb::gil_scoped_release release;
        Linear::margins(W.data(), Z.data());
    }

    double loss(In<T> Z, Out<T> D) const {
        require_one_model();
        require(Z.size() == this->n_margins() && D.size() == Z.size(), "Z or D has the wrong size");
        nb::gil_scoped_release release;
        return Linear::loss(Z.data(), D.data());
    }

    std::pair<double, double> loss_along(In<T> Z, In<T> V, double step, Out<T> D) const {
        require_one_model();
        require(Z.size() == this->n_margins() && V.size() == Z.size() && D.size() == Z.size(),
                "Z, V or D has the wrong size");
        nb::gil_scoped_release release;
        return Linear::loss_along(Z.data(), V.data(), step, D.data());
    }

    void backward(In<T> D, Out<T> G) {
        require(D.size() == this->n_margins() && G.size() == this->table_size(), "D or G has the wrong size");
        Call call(this->busy);
        Linear::backward(D.data(), G.data());
    }

    double penalise(In<T> W, Out<T> G) const {
        require(W.size() == this->table_size() && (G.size() == 0 || G.size() == W.size()), "W or G has the wrong size");
        nb::gil_scoped_release release;
        return Linear::penalise(W.data(), pointer_or_null(G));
    }

    bool newton_direct(In<T> Z, In<T> G, Out<T> D) {
        require_newton(Z, G, D);
        product(product(this->n_rows + 4, this->n_rows + 4), product(this->n_outputs, this->n_outputs));
        nb::gil_scoped_release release;
        return Newton<T, Rows>(*this, Z.data()).direct(G.data(), D.data());
    }

    void gram(Out<double> G) const {
        require(G.size() == product(this->n_active(), this->n_active()), "G has the wrong size");
        nb::gil_scoped_release release;
        ::gram(*this, G.data());
    }

    bool newton_kernel(In<T> Z, In<T> G, In<double> kernel, double value, int rounds, Out<T> D) {
        require_newton(Z, G, D);
        require(kernel.size() == product(this->n_active(), this->n_active()), "kernel has the wrong size");
        require(rounds > 0, "rounds must be positive");
        Call call(this->busy);
        return KernelNewton<T, Rows>(*this, kernel.data()).direction(Z.data(), G.data(), value, rounds, D.data());
    }

    void squared_norms(Out<T> square) const {
        require(square.size() == this->n_rows, "square has the wrong size");
        nb::gil_scoped_release release;
        Linear::squared_norms(square.data());
    }

    void count_as(In<double> count, double n_seen) {
        require(count.size() == this->n_rows, "count must have one entry a row of the table");
        Call call(this->busy);
        Linear::count_as(count.data(), n_seen);
    }

private:
    static std::unique_ptr<Loss<T>> loss_of(std::unique_ptr<Loss<T>> loss, const Labels<T>& indicator) {
        if (!indicator) return loss;
        return std::make_unique<LossOfLabels<T>>(std::move(loss), indicator);
    }

    // The losses of several are summed in batches alone.
    void require_one_model() const { require(this->n_models == 1, "the objective must be of one model"); }

    void require_newton(const In<T>& Z, const In<T>& G, const Out<T>& D) const {
        require_one_model();
        require(Z.size() == this->n_margins() && G.size() == this->table_size() && D.size() == G.size(),
                "Z, G or D has the wrong size");
    }

    Held<Rows> X_;
    std::tuple<In<int32_t>, In<T>, In<int64_t>> kept_;
};

template <class T, class Rows>
static void bind(nb::module_& m, const char* name) {
    using Bound = BoundLinear<T, Rows>;
    using Constructor = ConstructorOf<In<int32_t>, In<T>, In<int64_t>, size_t, bool, const std::string&, double, bool,
                                      double, double, int, size_t, Labels<T>>;
    nb::class_<Bound, Objective<T>> bound(m, name);
    Constructor::define(bound, static_cast<Rows*>(nullptr), array("labels"), array("omega"), array("active"),
                        "n_outputs"_a, "intercept"_a, "loss"_a, "gamma"_a, "squared"_a, "l1"_a, "l2"_a, "n_threads"_a,
                        "n_models"_a = 1, "indicator"_a.none() = nb::none());
    bound.def("margins", &Bound::margins, array("W"), array("Z"))
        .def("loss", &Bound::loss, array("Z"), array("D"))
        .def("loss_along", &Bound::loss_along, array("Z"), array("V"), "step"_a, array("D"))
        .def("backward", &Bound::backward, array("D"), array("G"))
        .def("penalise", &Bound::penalise, array("W"), array("G"))
        .def("newton_direct", &Bound::newton_direct, array("Z"), array("G"), array("D"))
        .def("gram", &Bound::gram, array("G"))
        .def("newton_kernel", &Bound::newton_kernel, array("Z"), array("G"), array("kernel"), "value"_a, "rounds"_a,
             array("D"))
        .def("squared_norms", &Bound::squared_norms, array("square"))
        .def("count_as", &Bound::count_as, array("count"), "n_seen"_a)
        .def("gradient", &batch_gradient<T>, array("W"), array("batch"));
}

void bind_linear(nb::module_& m) {
    bind_indicator<float>(m, "IndicatorF32");
    bind_indicator<double>(m, "IndicatorF64");
    bind<float, Csr<float, int32_t>>(m, "LinearF32I32");
    bind<float, Csr<float, int64_t>>(m, "LinearF32I64");
    bind<float, DenseRows<float>>(m, "LinearF32Dense");
    bind<double, Csr<double, int32_t>>(m, "LinearF64I32");
    bind<double, Csr<double, int64_t>>(m, "LinearF64I64");
    bind<double, DenseRows<double>>(m, "LinearF64Dense");
}
