// The module that counts the terms of texts: Python's strings are read where
// they lie, and threads count them without the GIL.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bind_arrays.hpp"
#include "base/interrupt.hpp"
#include "features/bind_text_documents.hpp"
#include "features/bind_text_matrix.hpp"
#include "features/bind_text_rules.hpp"
#include "features/text_counts.hpp"
#include "features/text_rows.hpp"
#include "features/text_vocabulary.hpp"

using namespace nb::literals;

// Python's own handlers run here; one that raises, as Ctrl-C's does, leaves its
// error set.
static bool python_signal_arrived() {
    nb::gil_scoped_acquire acquire;
    return PyErr_CheckSignals() != 0;
}

// f(documents) for all of an iterable, some at a time: f runs without the GIL.
template <class F>
static void each_batch(const BoundRules& rules, const Source& source, nb::handle iterable, F f) {
    Batch batch(source, *rules.characters, *rules.as_is, rules.rules.lower);
    size_t most = PyList_Check(iterable.ptr()) || PyTuple_Check(iterable.ptr()) ? size_t(1) << 26 : size_t(1) << 22;
    const auto flush = [&] {
        {
            nb::gil_scoped_release release;
            f(batch.documents());
        }
        batch.clear();
    };
    size_t n = 0;
    for (nb::handle document : nb::iter(iterable)) {
        if (++n % 256 == 0 && PyErr_CheckSignals()) throw nb::python_error();
        batch.add(nb::borrow(document));
        if (batch.n_characters() >= most) flush();
    }
    flush();
}

static int threads_for_batch(const std::vector<Document>& batch, int n_threads) {
    double size = 0;
    for (const auto& d : batch) size += 4.0 * d.text.length + (d.tokens ? 16.0 * d.tokens->parts.size() : 0);
    return threads_for(n_threads, size);
}

template <class Table>
static void require_documents(const Table& counts, const In<int32_t>& documents) {
    require(between(documents, 0, static_cast<int64_t>(counts.n_documents())),
            "documents must be numbers of those that have been counted");
}

// The classes of one kind of terms.
template <class Terms, class NoTerms>
static void bind_terms(nb::module_& m, const std::string& kind, NoTerms no_terms) {
    using Known = Vocabulary<Terms>;
    nb::class_<Known>(m, (kind + "Vocabulary").c_str())
        .def(
            "__init__",
            [no_terms](Known* self, const std::vector<nb::str>& terms, In<int32_t> columns) {
                require(columns.size() == terms.size(), "terms and columns must have one length");
                require(between(columns, 0, INT32_MAX), "columns must be non-negative");
                Known known(no_terms({1, 1}), {});
                std::vector<uint8_t> text;
                Spans scratch;
                for (size_t i = 0; i < terms.size(); ++i) {
                    size_t n = encode(terms[i].ptr(), text);
                    known.add({reinterpret_cast<const char*>(text.data()), n}, columns.data()[i], scratch);
                }
                new (self) Known(std::move(known));
            },
            "terms"_a, "columns"_a.noconvert())
        .def("__len__", &Known::size)
        .def("items",
             [](const Known& self) {
                 nb::list terms;
                 std::vector<int32_t> columns;
                 self.each([&](std::string_view term, uint32_t column) {
                     terms.append(decoded(term.data(), term.size()));
                     columns.push_back(static_cast<int32_t>(column));
                 });
                 return nb::make_tuple(terms, to_numpy(std::move(columns)));
             })
        .def("__getstate__",
             [](const Known& self) {
                 std::string bytes;
                 std::vector<uint32_t> lengths;
                 std::vector<int32_t> columns;
                 self.each([&](std::string_view term, uint32_t column) {
                     bytes += term;
                     lengths.push_back(static_cast<uint32_t>(term.size()));
                     columns.push_back(static_cast<int32_t>(column));
                 });
                 return std::make_tuple(nb::bytes(bytes.data(), bytes.size()), to_numpy(std::move(lengths)),
                                        to_numpy(std::move(columns)));
             })
        .def("__setstate__",
             [no_terms](Known& self, std::tuple<nb::bytes, In<uint32_t>, In<int32_t>> state) {
                 auto& [bytes, lengths, columns] = state;
                 require(columns.size() == lengths.size(), "terms and columns must have one length");
                 require(between(columns, 0, INT32_MAX), "columns must be non-negative");
                 Known known(no_terms({1, 1}), {});
                 Spans scratch;
                 size_t begin = 0;
                 for (size_t i = 0; i < lengths.size(); begin += lengths.data()[i++]) {
                     size_t n = lengths.data()[i];
                     require(n <= bytes.size() - begin, "the terms are cut off");
                     decoded(bytes.c_str() + begin,
                             n);  // what is not UTF-8 is found now
                     known.add({bytes.c_str() + begin, n}, columns.data()[i], scratch);
                 }
                 require(begin == bytes.size() && known.size() == lengths.size(), "the terms are not distinct ones");
                 new (&self) Known(std::move(known));
             })
        .def(
            "rows",
            [](const Known& self, nb::handle documents, const BoundRules& rules, const Source& source, size_t n_columns,
               int n_threads) {
                require_threads(n_threads);
                require_units<Terms>(rules.rules);
                require_within("n_columns", n_columns, self.n_columns(), INT32_MAX);
                auto rows = std::make_unique<Rows>(n_columns);
                each_batch(rules, source, documents, [&](const std::vector<Document>& batch) {
                    std::vector<typename Known::Finder> finders(threads_for_batch(batch, n_threads),
                                                                {self, rules.rules.range});
                    rows->add(batch, rules.rules, finders);
                });
                return rows;
            },
            "documents"_a, "rules"_a, "source"_a, "n_columns"_a, "n_threads"_a);

    using AllCounts = Bound<Counts<Terms>>;
    nb::class_<AllCounts> counts(m, (kind + "Counts").c_str());
    counts
        .def(
            "__init__",
            [no_terms](AllCounts* self, nb::handle documents, const BoundRules& rules, const Source& source,
                       int n_threads) {
                require_threads(n_threads);
                require_units<Terms>(rules.rules);
                auto none = no_terms(rules.rules.range);
                Counts<Terms> counted(none);
                each_batch(rules, source, documents, [&](const std::vector<Document>& batch) {
                    counted.add(batch, rules.rules, none, threads_for_batch(batch, n_threads));
                });
                counted.finish();
                new (self) AllCounts(std::move(counted));
            },
            "documents"_a, "rules"_a, "source"_a, "n_threads"_a)
        .def(
            "add",
            [no_terms](AllCounts& self, nb::handle documents, const BoundRules& rules, const Source& source,
                       int n_threads) {
                require_threads(n_threads);
                require_units<Terms>(rules.rules);
                Claim claim(self);
                self.require_terms();
                auto none = no_terms(rules.rules.range);
                if constexpr (std::is_same_v<Terms, WordNgrams>)
                    require(none.has_range_of(self.terms()), "rules must have the range of these counts");
                try {
                    each_batch(rules, source, documents, [&](const std::vector<Document>& batch) {
                        self.add(batch, rules.rules, none, threads_for_batch(batch, n_threads));
                    });
                } catch (...) {
                    self.finish();  // some batches are there
                    throw;
                }
                self.finish();
            },
            "documents"_a, "rules"_a, "source"_a, "n_threads"_a)
        .def(
            "select",
            [](AllCounts& self, In<int32_t> documents, size_t low, size_t high) {
                Claim claim(self);
                self.require_terms();
                require_documents(self, documents);
                nb::gil_scoped_release release;
                return std::make_unique<Bound<Selection>>(
                    self.select(documents.data(), documents.size(), NgramRange{low, high}));
            },
            "documents"_a.noconvert(), "low"_a, "high"_a)
        .def(
            "rows",
            [](AllCounts& self, In<int32_t> documents, In<int32_t> columns, size_t n_columns) {
                Claim claim(self);
                require_documents(self, documents);
                require_size("columns", columns, 0, self.n_ids());
                require_within("n_columns", n_columns, 0, INT32_MAX);
                require(between(columns, -1, static_cast<int64_t>(n_columns)), "columns must be below n_columns");
                auto rows = std::make_unique<Rows>(n_columns);
                nb::gil_scoped_release release;
                std::vector<int32_t> by_id(columns.data(), columns.data() + columns.size());
                by_id.resize(self.n_ids(), -1);
                rows->add(self, documents.data(), documents.size(), by_id.data());
                return rows;
            },
            "documents"_a.noconvert(), "columns"_a.noconvert(), "n_columns"_a)
        .def(
            "terms",
            [](AllCounts& self, In<int32_t> ids) {
                Claim claim(self);
                self.require_terms();
                require(between(ids, 0, static_cast<int64_t>(self.n_ids())), "ids must be those of terms");
                nb::list terms;
                std::string term;
                for (size_t i = 0; i < ids.size(); ++i) {
                    term.clear();
                    self.terms().append(ids.data()[i], term);
                    terms.append(decoded(term.data(), term.size()));
                }
                return terms;
            },
            "ids"_a.noconvert())
        .def_prop_ro("n_ids", [](const AllCounts& self) { return self.n_ids(); })
        .def("take_vocabulary", [](AllCounts& self) {
            Claim claim(self);
            self.require_terms();
            nb::gil_scoped_release release;
            auto [terms, columns] = self.take_terms();
            self.has_terms = false;
            return std::make_unique<Known>(std::move(terms), std::move(columns));
        });
    bind_table(counts);
}

NB_MODULE(_text, m) {
    nb::set_leak_warnings(false);  // what Python still holds when it exits is its own affair
    signal_arrived = &python_signal_arrived;
    nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
        try {
            std::rethrow_exception(thrown);
        } catch (const Interrupted&) {
            // the error of Python is set
        } catch (const LoneSurrogate& lone) {
            try {
                decoded(lone.term.data(), lone.term.size()).attr("encode")("utf-8");
            } catch (nb::python_error& error) {
                error.restore();
            }
        }
    });
    nb::exception<NotStrings>(m, "NotStrings");
    nb::class_<Characters>(m, "Characters").def(nb::init<bool, nb::object>(), "lower"_a, "runs"_a.none());
    nb::class_<BoundRules>(m, "Rules")
        .def(nb::init<int, size_t, size_t, std::tuple<size_t, bool, bool>, bool, std::shared_ptr<Characters>,
                      std::shared_ptr<Characters>, const std::optional<std::vector<nb::str>>&, bool>(),
             "units"_a, "low"_a, "high"_a, "token"_a, "lower"_a, "characters"_a, "as_is"_a, "stop_words"_a.none(),
             "seeks_surrogates"_a);
    nb::class_<Source>(m, "Source")
        .def(
            "__init__",
            [](Source* self, int way, bool decodes, nb::object decode, nb::object prepare) {
                require_within("way", way, 0, 3);
                new (self) Source{decodes, way == 2, way == 1, way == 3, std::move(decode), std::move(prepare)};
            },
            "way"_a, "decodes"_a, "decode"_a, "prepare"_a);
    nb::class_<Bound<Selection>> selection(m, "Selection");
    bind_table(selection);
    selection.def("columns", [](Bound<Selection>& self) {
        Claim claim(self);
        auto [ids, columns] = self.columns();
        return nb::make_tuple(to_numpy(std::move(ids)), to_numpy(std::move(columns)));
    });
    nb::class_<Rows> rows(m, "Rows");
    rows.def_prop_ro("largest", &Rows::largest);
    rows.def_prop_ro("n_documents", &Rows::n_rows);
    rows.def_prop_ro("n_columns", &Rows::n_columns);
    bind_row_matrix<int32_t>(rows, "matrixI32");
    bind_row_matrix<int64_t>(rows, "matrixI64");
    bind_row_matrix<float>(rows, "matrixF32");
    bind_row_matrix<double>(rows, "matrixF64");
    m.def(
        "hashed_rows",
        [](nb::handle documents, const BoundRules& rules, const Source& source, uint32_t n_features,
           bool alternate_sign, int n_threads) {
            require_within("n_features", n_features, 1, INT32_MAX);
            require_threads(n_threads);
            require_units<StringTerms>(rules.rules);
            auto result = std::make_unique<Rows>(n_features);
            each_batch(rules, source, documents, [&](const std::vector<Document>& batch) {
                std::vector<HashedColumns> finders(threads_for_batch(batch, n_threads), {n_features, alternate_sign});
                result->add(batch, rules.rules, finders);
            });
            return result;
        },
        "documents"_a, "rules"_a, "source"_a, "n_features"_a, "alternate_sign"_a, "n_threads"_a);
    bind_terms<WordNgrams>(m, "Word", [](NgramRange range) { return WordNgrams(range); });
    bind_terms<StringTerms>(m, "String", [](NgramRange) { return StringTerms(); });
}
