// Linear models: their objective, and its dual.
#include "bindings.hpp"

#include "dual.hpp"
#include "newton.hpp"

template <class T, class I>
static void bind_linear(nb::module_& m, const std::string& suffix) {
    using Linear = LinearObjective<T, I>;
    struct Bound final : Linear {  // keeps its arrays alive
        std::tuple<In<I>, In<I>, In<T>, In<int32_t>, In<T>, In<int64_t>> kept;
        Bound(In<I> indptr, In<I> indices, In<T> data, size_t n_columns, In<int32_t> labels, In<T> omega, In<int64_t> active, size_t n_outputs,
              bool intercept, const std::string& loss, double gamma, bool squared, double l1, double l2, int n_threads)
            : Linear(csr(indptr, indices, data, n_columns), labels.data(), omega.data(), active.data(), active.size(), n_outputs, intercept,
                     make_loss<T>(loss, gamma, squared), Penalty<T>{l1, l2}, n_threads),
              kept(indptr, indices, data, labels, omega, active) {
            require(n_outputs > 0 && labels.size() == indptr.size() - 1 && omega.size() == labels.size(), "labels and omega must have one entry a row");
            product(std::max<size_t>({n_columns, labels.size(), 1}), n_outputs);
            require(between(labels, 0, this->n_labels()), "labels must index outputs");
            require(between(active, 0, labels.size()), "active must index rows");
        }
    };
    nb::class_<Bound, Objective<T>>(m, ("Linear" + suffix).c_str())
        .def(nb::init<In<I>, In<I>, In<T>, size_t, In<int32_t>, In<T>, In<int64_t>, size_t, bool, const std::string&, double, bool, double, double, int>(),
             "indptr"_a.noconvert(), "indices"_a.noconvert(), "data"_a.noconvert(), "n_columns"_a, "labels"_a.noconvert(), "omega"_a.noconvert(),
             "active"_a.noconvert(), "n_outputs"_a, "intercept"_a, "loss"_a, "gamma"_a, "squared"_a, "l1"_a, "l2"_a, "n_threads"_a)
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
            Call call(o.busy);
            o.backward(D.data(), G.data());
        }, "D"_a.noconvert(), "G"_a.noconvert())
        .def("penalise", [](Bound& o, In<T> W, Out<T> G) {
            require(W.size() == o.table_size() && (G.size() == 0 || G.size() == W.size()), "W or G has the wrong size");
            nb::gil_scoped_release release;
            return o.penalise(W.data(), G.size() ? G.data() : nullptr);
        }, "W"_a.noconvert(), "G"_a.noconvert())
        .def("newton_direct", [](Bound& o, In<T> Z, In<T> G, Out<T> D) {
            require(Z.size() == o.n_margins() && G.size() == o.table_size() && D.size() == G.size(), "Z, G or D has the wrong size");
            product(product(o.n_rows + 4, o.n_rows + 4), product(o.n_outputs, o.n_outputs));
            nb::gil_scoped_release release;
            return Newton<T, I>(o, Z.data()).direct(G.data(), D.data());
        }, "Z"_a.noconvert(), "G"_a.noconvert(), "D"_a.noconvert())
        .def("newton_iterative", [](Bound& o, In<T> Z, In<T> G, double target, Out<T> D) {
            require(Z.size() == o.n_margins() && G.size() == o.table_size() && D.size() == G.size(), "Z, G or D has the wrong size");
            Call call(o.busy);
            Newton<T, I>(o, Z.data()).iterative(G.data(), target, D.data());
        }, "Z"_a.noconvert(), "G"_a.noconvert(), "target"_a, "D"_a.noconvert())
        .def("squared_norms", [](Bound& o, Out<T> square) {
            require(square.size() == o.n_rows, "square has the wrong size");
            nb::gil_scoped_release release;
            o.squared_norms(square.data());
        }, "square"_a.noconvert())
        .def("count_as", [](Bound& o, In<double> count, double n_seen) {
            require(count.size() == o.n_rows, "count must have one entry a row of the table");
            Call call(o.busy);
            o.count_as(count.data(), n_seen);
        }, "count"_a.noconvert(), "n_seen"_a)
        .def("gradient", [](Bound& o, In<T> W, In<int64_t> batch) {
            return batch_gradient(o, W, batch);
        }, "W"_a.noconvert(), "batch"_a.noconvert());
    m.def("check_compressed", [](In<I> indptr, In<I> indices, In<T> data, size_t n_major, size_t n_minor, int n_threads) {
        nb::gil_scoped_release release;
        bool canonical;
        const char* error = check_compressed(indptr.data(), indptr.size(), indices.data(), indices.size(), data.data(), data.size(), n_major, n_minor, n_threads, canonical);
        return std::make_pair(std::string(error ? error : ""), canonical);
    }, "indptr"_a.noconvert(), "indices"_a.noconvert(), "data"_a.noconvert(), "n_major"_a, "n_minor"_a, "n_threads"_a);
}

template <class T, class I>
static void bind_dual(nb::module_& m, const std::string& suffix) {
    using Dual = DualAscent<T, I>;
    struct Bound final : Dual {  // keeps its arrays alive
        std::tuple<In<I>, In<I>, In<T>, In<int32_t>, In<T>> kept;
        size_t n_rows;
        Bound(In<I> indptr, In<I> indices, In<T> data, size_t n_columns, In<int32_t> labels, In<T> c, size_t K, bool intercept, const std::string& loss,
              double gamma, bool squared, int n_threads)
            : Dual(csr(indptr, indices, data, n_columns),
                   (require(K > 0 && labels.size() == indptr.size() - 1 && c.size() == labels.size(), "labels and c must have one entry a row"), labels.data()),
                   c.data(), K, intercept, make_dual_step<T>(loss, gamma, squared), n_threads),
              kept(indptr, indices, data, labels, c), n_rows(labels.size()) {
            product(std::max<size_t>({n_columns, labels.size(), 1}), K);
            require(between(labels, 0, this->n_labels()), "labels must index outputs");
        }
    };
    nb::class_<Bound>(m, ("Dual" + suffix).c_str())
        .def(nb::init<In<I>, In<I>, In<T>, size_t, In<int32_t>, In<T>, size_t, bool, const std::string&, double, bool, int>(),
             "indptr"_a.noconvert(), "indices"_a.noconvert(), "data"_a.noconvert(), "n_columns"_a, "labels"_a.noconvert(), "c"_a.noconvert(),
             "n_outputs"_a, "intercept"_a, "loss"_a, "gamma"_a, "squared"_a, "n_threads"_a)
        .def("epoch", [](Bound& o, In<int64_t> rows, uint64_t seed, Out<T> A, Out<T> W) {
            require(A.size() == o.size() && W.size() == o.table_size(), "A or W has the wrong size");
            require(between(rows, 0, o.n_rows), "rows must index X");
            Call call(o.busy);
            o.epoch(rows.data(), rows.size(), seed, A.data(), W.data());
        }, "rows"_a.noconvert(), "seed"_a, "A"_a.noconvert(), "W"_a.noconvert())
        .def("gain", [](Bound& o, In<T> A) {
            require(A.size() == o.size(), "A has the wrong size");
            nb::gil_scoped_release release;
            return o.gain(A.data());
        }, "A"_a.noconvert())
        .def("move_center", [](Bound& o, In<T> A, Out<T> W) {
            require(A.size() == o.size() && W.size() == o.table_size(), "A or W has the wrong size");
            nb::gil_scoped_release release;
            o.move_center(A.data(), W.data());
        }, "A"_a.noconvert(), "W"_a.noconvert());
}

void bind_linear_models(nb::module_& m) {
    bind_linear<float, int32_t>(m, "F32I32");
    bind_dual<float, int32_t>(m, "F32I32");
    bind_linear<float, int64_t>(m, "F32I64");
    bind_dual<float, int64_t>(m, "F32I64");
    bind_linear<double, int32_t>(m, "F64I32");
    bind_dual<double, int32_t>(m, "F64I32");
    bind_linear<double, int64_t>(m, "F64I64");
    bind_dual<double, int64_t>(m, "F64I64");
}
