// Bindings of dual coordinate ascent for linear models.
#include <nanobind/stl/string.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/bind_objective.hpp"
#include "linear/bind_indicator.hpp"
#include "linear/bind_rows.hpp"
#include "linear/dual_ascent.hpp"

// Keeps the arrays alive that the ascent reads.
template <class T, class Rows>
class BoundDual final : public DualAscent<T, Rows> {
    using Dual = DualAscent<T, Rows>;

public:
    BoundDual(Held<Rows> X, In<int32_t> labels, In<T> c, size_t n_outputs, bool intercept, const std::string& loss,
              double gamma, bool squared, int n_threads, size_t n_models, Labels<T> indicator)
        : Dual(X.rows, labels_of_rows(X.rows, labels, c, n_outputs, n_models, indicator), c.data(), n_outputs, n_models,
               intercept, make_dual_step<T>(loss, gamma, squared), n_threads, indicator),
          X_(X), labels_(labels), c_(c) {
        product(std::max<size_t>({X.rows.n_cols, labels.size(), 1}), n_outputs);
        require(between(labels, 0, this->n_labels()), "labels must index outputs");
    }

    auto epoch(In<int64_t> rows, uint64_t seed, Out<T> A, Out<T> W, uint64_t models) {
        std::vector<double> moved;
        {
            Call call(this->busy);
            require(A.size() == this->size() && W.size() == this->table_size(), "A or W has the wrong size");
            require(between(rows, 0, labels_.size()), "rows must index X");
            moved = Dual::epoch(rows.data(), rows.size(), seed, models, A.data(), W.data());
        }
        return to_numpy(std::move(moved));
    }

    void keep(In<int64_t> models, In<T> c) {
        Call call(this->busy);
        require(this->n_models() > 1 && 0 < models.size() && models.size() <= this->n_models() &&
                    between(models, 0, this->n_models()),
                "models must be some of several");
        require(c.size() == product(labels_.size(), models.size()), "c must have one entry a row and model");
        Dual::keep(models.data(), models.size(), c.data());
        c_ = c;
    }

    double gain(In<T> A) {
        Call call(this->busy);
        require(A.size() == this->size(), "A has the wrong size");
        return Dual::gain(A.data());
    }

    void move_center(In<T> A, Out<T> W) {
        Call call(this->busy);
        require(A.size() == this->size() && W.size() == this->table_size(), "A or W has the wrong size");
        Dual::move_center(A.data(), W.data());
    }

private:
    // Returns the labels. The constructor of the ascent reads c, so that sizes are checked before it.
    static const int32_t* labels_of_rows(const Rows& X, const In<int32_t>& labels, const In<T>& c, size_t n_outputs,
                                         size_t n_models, const Labels<T>& indicator) {
        require(0 < n_models && n_models <= Dual::kMostModels && n_outputs > 0 && n_outputs % n_models == 0,
                "n_outputs must be that of each of 1 to 64 models times their number");
        require(labels.size() == X.n_rows && c.size() == product(labels.size(), n_models),
                "labels must have one entry a row, and c one a row and model");
        // the ascent reads the rows of the indicator when it is made
        require_outputs(indicator, n_outputs);
        require(!indicator || between(labels, 0, indicator->n_rows), "labels must index outputs");
        return labels.data();
    }

    Held<Rows> X_;
    In<int32_t> labels_;
    In<T> c_;
};

template <class T, class Rows>
static void bind(nb::module_& m, const char* name) {
    using Bound = BoundDual<T, Rows>;
    using Constructor =
        ConstructorOf<In<int32_t>, In<T>, size_t, bool, const std::string&, double, bool, int, size_t, Labels<T>>;
    nb::class_<Bound> bound(m, name);
    Constructor::define(bound, static_cast<Rows*>(nullptr), array("labels"), array("c"), "n_outputs"_a, "intercept"_a,
                        "loss"_a, "gamma"_a, "squared"_a, "n_threads"_a, "n_models"_a = 1,
                        "indicator"_a.none() = nb::none());
    bound.def("epoch", &Bound::epoch, array("rows"), "seed"_a, array("A"), array("W"), "models"_a = 1)
        .def("keep", &Bound::keep, array("models"), array("c"))
        .def("gain", &Bound::gain, array("A"))
        .def("move_center", &Bound::move_center, array("A"), array("W"));
}

void bind_dual(nb::module_& m) {
    bind<float, Csr<float, int32_t>>(m, "DualF32I32");
    bind<float, Csr<float, int64_t>>(m, "DualF32I64");
    bind<float, DenseRows<float>>(m, "DualF32Dense");
    bind<double, Csr<double, int32_t>>(m, "DualF64I32");
    bind<double, Csr<double, int64_t>>(m, "DualF64I64");
    bind<double, DenseRows<double>>(m, "DualF64Dense");
}
