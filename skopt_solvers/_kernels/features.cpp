// Walks sequences of feature dicts into CSR rows. Dicts are Python's, so this file, beside bindings.cpp, knows Python.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <optional>
#include <string>
#include <tuple>

#include "arrays.hpp"
#include "feature_table.hpp"

namespace nb = nanobind;
using namespace nb::literals;

// What is read, held: without a GIL a copy that other threads do not see.
static nb::object unshared(PyObject* container) {
#if defined(Py_GIL_DISABLED)
    nb::object copy = nb::steal(PyDict_Check(container) ? PyDict_Copy(container) : PySequence_Tuple(container));
    if (!copy.is_valid()) throw nb::python_error();
    return copy;
#else
    return nb::borrow(container);
#endif
}

// Guards the stack against dicts that are nested too deeply, or hold themselves.
struct Nested {
    Nested() {
        if (Py_EnterRecursiveCall(" while reading nested features")) throw nb::python_error();
    }
    ~Nested() { Py_LeaveRecursiveCall(); }
};

static const char* type_name(PyObject* object) { return Py_TYPE(object)->tp_name; }

// Where a walk is, for messages.
struct Position {
    Py_ssize_t sequence = 0, token = 0;

    [[noreturn]] void refuse(const std::string& what) const {
        throw nb::value_error(("X: sequence " + std::to_string(sequence) + ", token " + std::to_string(token) + what).c_str());
    }

    [[noreturn]] void refuse_sequence(PyObject* got, const std::string& items) const {
        bool wrap = PyDict_Check(got) || PyUnicode_Check(got);
        throw nb::value_error(("X: sequence " + std::to_string(sequence) + " must be a list of " + items + ", got " + type_name(got)
                               + (wrap ? "; give one sequence as a list that holds it" : "")).c_str());
    }
};

// Calls read(token) for each token of each sequence; the numbers of tokens.
template <class Read>
static std::vector<int64_t> each_token(nb::list X, const char* items, Position& at, Read read) {
    std::vector<int64_t> lengths;
    nb::object sequences = unshared(X.ptr());
    for (at.sequence = 0; at.sequence < PySequence_Fast_GET_SIZE(sequences.ptr()); ++at.sequence) {
        if (at.sequence % 256 == 0 && PyErr_CheckSignals()) throw nb::python_error();
        nb::object sequence = nb::borrow(PySequence_Fast_GET_ITEM(sequences.ptr(), at.sequence));
        PyObject* s = sequence.ptr();
        if (PyUnicode_Check(s) || PyBytes_Check(s) || PyDict_Check(s) || PyAnySet_Check(s)) at.refuse_sequence(s, items);
        nb::object tokens = nb::steal(PySequence_Fast(s, ""));
        if (!tokens.is_valid()) {
            PyErr_Clear();
            at.refuse_sequence(s, items);
        }
        tokens = unshared(tokens.ptr());
        for (at.token = 0; at.token < PySequence_Fast_GET_SIZE(tokens.ptr()); ++at.token) read(PySequence_Fast_GET_ITEM(tokens.ptr(), at.token));
        lengths.push_back(at.token);
    }
    return lengths;
}

// Reads items as python-crfsuite's ItemSequence does. `number(names, columns)` gives the columns of features, -1 for none.
//
// A number's __float__ may run foreign code. Whatever that does to the containers, each is held while it is read.
template <class T, class Number>
class Walk {
public:
    Rows<T> rows;
    std::vector<int64_t> lengths;

    explicit Walk(Number number) : number_(number) {}

    void sequences(nb::list X) {
        lengths = each_token(X, "items, each a dict or a list of strings", at_, [&](PyObject* x) {
            item(x);
            finish_row();
        });
    }

private:
    Number number_;
    Position at_;
    std::string prefix_;  // of the names inside a nested container
    Names names_;         // of the token that is being read

    [[noreturn]] void refuse(const std::string& what) {
        std::string key;
        if (std::string_view name = names_.opened().empty() ? prefix_ : names_.opened(); !name.empty()) {
            nb::object text = nb::steal(PyUnicode_DecodeUTF8(name.data(), name.size(), "replace"));
            key = std::string(", key ") + nb::repr(text).c_str();
        }
        at_.refuse(key + ": " + what);
    }

    void item(PyObject* x) {
        names_.clear();
        prefix_.clear();
        if (!(PyDict_Check(x) || PyList_Check(x) || PyTuple_Check(x) || PyAnySet_Check(x)))
            refuse(std::string("an item must be a dict or a list, tuple or set of strings, got ") + type_name(x));
        container(x);
    }

    void container(PyObject* x) {
        if (PyAnySet_Check(x)) return set(x);
        nb::object held = unshared(x);
        x = held.ptr();
        if (PyDict_Check(x)) {
            PyObject *key, *value;
            for (Py_ssize_t position = 0; PyDict_Next(x, &position, &key, &value);) attribute(key, value);
        } else {
            for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(x); ++i) string(PySequence_Fast_GET_ITEM(x, i));
        }
    }

    // In sorted order, so that columns do not depend on the seed of Python's hashes.
    void set(PyObject* x) {
        nb::object list = nb::steal(PySequence_List(x));
        if (!list.is_valid()) throw nb::python_error();
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.ptr()); ++i) check_string(PyList_GET_ITEM(list.ptr(), i));
        if (PyList_Sort(list.ptr())) PyErr_Clear();  // str beside bytes
        container(list.ptr());
    }

    void string(PyObject* x) {
        open();
        append(x);
        close(1);
    }

    void attribute(PyObject* key, PyObject* value) {
        open();
        append(key);
        if (PyUnicode_Check(value) || PyBytes_Check(value)) {
            names_.append(":", 1);
            append(value);
            close(1);
        } else if (value == Py_True) {
            close(1);
        } else if (value == Py_False) {
        } else if (PyFloat_CheckExact(value)) {
            number(PyFloat_AS_DOUBLE(value));
        } else if (PyDict_Check(value) || PyList_Check(value) || PyTuple_Check(value) || PyAnySet_Check(value)) {
            Nested nested;
            size_t before = prefix_.size();
            prefix_.assign(names_.opened()).push_back(':');
            names_.open();
            container(value);
            prefix_.resize(before);
        } else {
            number(as_double(value));
        }
    }

    void number(double x) {
        T value = static_cast<T>(x);
        if (!std::isfinite(value))
            refuse("the value is " + std::string(nb::repr(nb::float_(x)).c_str()) + ", which is not finite" + (std::isfinite(x) ? " in float32" : ""));
        if (value != 0) close(value);
    }

    double as_double(PyObject* value) {
        nb::object held = nb::borrow(value);
        double x = PyFloat_AsDouble(value);
        if (x == -1 && PyErr_Occurred()) {
            bool too_large = PyErr_ExceptionMatches(PyExc_OverflowError);
            if (!too_large && !PyErr_ExceptionMatches(PyExc_TypeError) && !PyErr_ExceptionMatches(PyExc_ValueError)) throw nb::python_error();
            PyErr_Clear();
            refuse(too_large ? "the value is an integer that is too large for a float"
                             : std::string("a value must be a number, a boolean, a string, or a dict, list, tuple or set of them, got ") + type_name(value));
        }
        return x;
    }

    void check_string(PyObject* x) {
        if (!PyUnicode_Check(x) && !PyBytes_Check(x)) refuse(std::string("keys, and the items of lists, must be strings, got ") + type_name(x));
    }

    void open() {
        names_.open();
        if (!prefix_.empty()) names_.append(prefix_.data(), prefix_.size());
    }

    void close(T value) {
        names_.close();
        rows.data.push_back(value);
    }

    [[gnu::always_inline]] void append(PyObject* x) {
        if (PyUnicode_Check(x) && PyUnicode_IS_COMPACT_ASCII(x))
            names_.append(static_cast<const char*>(PyUnicode_DATA(x)), PyUnicode_GET_LENGTH(x));
        else
            append_other(x);
    }

    [[gnu::noinline]] void append_other(PyObject* x) {
        if (PyUnicode_Check(x)) return append_utf8(PyUnicode_KIND(x), PyUnicode_DATA(x), PyUnicode_GET_LENGTH(x));
        check_string(x);
        nb::object text = nb::steal(PyUnicode_DecodeUTF8(PyBytes_AS_STRING(x), PyBytes_GET_SIZE(x), nullptr));
        if (!text.is_valid()) {
            PyErr_Clear();
            refuse("bytes must be UTF-8");
        }
        append(text.ptr());
    }

    // Not PyUnicode_AsUTF8AndSize, which would keep a copy inside each string of the user's.
    void append_utf8(int kind, const void* data, size_t n) {
        char *const start = names_.room(4 * n), *out = start;
        for (size_t i = 0; i < n; ++i) {
            Py_UCS4 c = PyUnicode_READ(kind, data, i);
            if (c < 0x80) {
                *out++ = static_cast<char>(c);
            } else if (c < 0x800) {
                *out++ = static_cast<char>(0xC0 | (c >> 6));
                *out++ = static_cast<char>(0x80 | (c & 0x3F));
            } else if (c < 0x10000) {
                if (c >= 0xD800 && c < 0xE000) refuse("a string holds a lone surrogate, which is not text");
                *out++ = static_cast<char>(0xE0 | (c >> 12));
                *out++ = static_cast<char>(0x80 | ((c >> 6) & 0x3F));
                *out++ = static_cast<char>(0x80 | (c & 0x3F));
            } else {
                *out++ = static_cast<char>(0xF0 | (c >> 18));
                *out++ = static_cast<char>(0x80 | ((c >> 12) & 0x3F));
                *out++ = static_cast<char>(0x80 | ((c >> 6) & 0x3F));
                *out++ = static_cast<char>(0x80 | (c & 0x3F));
            }
        }
        names_.appended(out - start);
    }

    void finish_row() {
        size_t begin = rows.indices.size(), end = begin + names_.size();
        check_entries(end);
        rows.indices.resize(end);
        number_(names_, rows.indices.data() + begin);
        rows.indptr.push_back(static_cast<int32_t>(end));
    }
};

// For each column of the tokens, words or tuples of strings, its distinct strings and the number of each token's one.
static auto distinct_columns(nb::list X) {
    struct Column {
        nb::dict numbers;
        nb::list strings;
        std::vector<int32_t> values;
    };
    std::vector<Column> columns;
    Position at;
    auto lengths = each_token(X, "words or of tuples of strings", at, [&](PyObject* token) {
        nb::object held;
        bool word = PyUnicode_Check(token), tuple = PyTuple_Check(token) || PyList_Check(token);
        if (!word && !tuple) at.refuse(std::string(": a token must be a word or a tuple of strings that begins with the word, got ") + type_name(token));
        held = word ? nb::borrow(token) : unshared(token);
        token = held.ptr();
        size_t width = word ? 1 : PySequence_Fast_GET_SIZE(token);
        if (columns.empty()) columns.resize(width);
        if (width == 0 || width != columns.size())
            at.refuse(" has " + std::to_string(width) + " columns where those before it have " + std::to_string(columns.size()));
        for (size_t i = 0; i < width; ++i) {
            PyObject* x = word ? token : PySequence_Fast_GET_ITEM(token, i);
            if (!PyUnicode_Check(x)) at.refuse((i ? ": column " + std::to_string(i) : ": the word") + " must be a string, got " + type_name(x));
            nb::object exact = nb::steal(PyUnicode_FromObject(x));  // whose hash and equality run no foreign code
            if (!exact.is_valid()) throw nb::python_error();
            x = exact.ptr();
            auto& [numbers, strings, values] = columns[i];
            PyObject* number = PyDict_GetItemWithError(numbers.ptr(), x);
            if (!number && PyErr_Occurred()) throw nb::python_error();
            values.push_back(number ? static_cast<int32_t>(PyLong_AsLong(number)) : static_cast<int32_t>(nb::len(strings)));
            if (number) continue;
            if (!PyUnicode_IS_ASCII(x) && !nb::steal(PyUnicode_AsUTF8String(x)).is_valid()) {
                PyErr_Clear();
                at.refuse(": a string holds a lone surrogate, which is not text");
            }
            numbers[nb::handle(x)] = nb::int_(values.back());
            strings.append(nb::handle(x));
        }
    });
    check_entries(columns.empty() ? 0 : columns[0].values.size());
    nb::list result;
    for (auto& column : columns) result.append(nb::make_tuple(column.strings, to_numpy(std::move(column.values))));
    return std::make_pair(to_numpy(std::move(lengths)), result);
}

template <class T>
static auto csr_arrays(Rows<T> rows) {
    return std::make_tuple(to_numpy(std::move(rows.data)), to_numpy(std::move(rows.indices)), to_numpy(std::move(rows.indptr)));
}

// Raw rows and the number of tokens of each sequence.
template <class T, class Number>
static auto walk(nb::list X, Number number) {
    Walk<T, Number> walk(number);
    walk.sequences(X);
    return std::make_pair(csr_arrays(std::move(walk.rows)), to_numpy(std::move(walk.lengths)));
}

// Rows of features in [low, high).
static void check_features(const In<int32_t>& indptr, const In<int32_t>& indices, int64_t low, int64_t high) {
    const char* error = check_indptr(indptr.data(), indptr.size(), indices.size());
    require(!error, error);
    require(indptr.data()[indptr.size() - 1] == static_cast<int64_t>(indices.size()), "indptr must end at the entries");
    require(between(indices, low, high), "indices must be numbers of features");
}

template <class T>
static auto canonical(In<T> data, In<int32_t> indices, In<int32_t> indptr, std::optional<In<int32_t>> column) {
    check_features(indptr, indices, INT32_MIN, column ? column->size() : size_t(1) << 31);
    require(data.size() == 0 || data.size() == indices.size(), "data must have one value an entry, or none");
    auto rows = [&] {
        nb::gil_scoped_release release;
        return canonical_rows<T>(indptr.data(), indptr.size() - 1, indices.data(), data.size() ? data.data() : nullptr, column ? column->data() : nullptr);
    }();
    return csr_arrays(std::move(rows));
}

template <class T>
static void bind_walks(nb::module_& m, const std::string& suffix) {
    m.def(("learn" + suffix).c_str(), [](FeatureTable& table, nb::list X) {
        return walk<T>(X, [&](const Names& names, int32_t* columns) { table.add(names, columns); });
    }, "table"_a, "X"_a);
    m.def(("look_up" + suffix).c_str(), [](const FeatureTable& table, nb::list X) {
        return walk<T>(X, [&, hashes = std::vector<uint64_t>()](const Names& names, int32_t* columns) mutable { table.find(names, columns, hashes); });
    }, "table"_a, "X"_a);
    m.def(("hashed" + suffix).c_str(), [](uint32_t n_features, nb::list X) {
        require(n_features > 0 && n_features <= INT32_MAX, "n_features must be positive and an int32");
        return walk<T>(X, [=](const Names& names, int32_t* columns) {
            for (size_t i = 0; i < names.size(); ++i) columns[i] = static_cast<int32_t>(murmur3(names[i]) % n_features);
        });
    }, "n_features"_a, "X"_a);
    m.def(("canonical" + suffix).c_str(), &canonical<T>, "data"_a.noconvert(), "indices"_a.noconvert(), "indptr"_a.noconvert(),
          "column"_a.noconvert() = nb::none());
}

NB_MODULE(_features, m) {
    nb::set_leak_warnings(false);  // what Python still holds when it exits is its own affair
    nb::class_<FeatureTable>(m, "FeatureTable")
        .def(nb::init<>())
        .def("__len__", &FeatureTable::size)
        .def("names", [](const FeatureTable& table) {
            nb::list names;
            for (size_t i = 0; i < table.size(); ++i) names.append(nb::str(table[i].data(), table[i].size()));
            return names;
        })
        .def("reordered", [](const FeatureTable& table, In<int32_t> column, size_t n_columns) {
            require(column.size() == table.size() && n_columns <= table.size(), "column must have one entry a feature");
            require(between(column, INT32_MIN, n_columns), "column must be below n_columns");
            std::vector<size_t> feature(n_columns);
            for (size_t f = 0; f < column.size(); ++f)
                if (column.data()[f] >= 0) feature[column.data()[f]] = f;
            Names names;
            for (size_t f : feature) names.add(table[f]);
            return FeatureTable(names);
        }, "column"_a, "n_columns"_a)
        .def("__getstate__", [](const FeatureTable& table) {
            std::vector<char> bytes;
            std::vector<uint32_t> lengths;
            for (size_t i = 0; i < table.size(); ++i) {
                bytes.insert(bytes.end(), table[i].begin(), table[i].end());
                lengths.push_back(static_cast<uint32_t>(table[i].size()));
            }
            return std::make_pair(nb::bytes(bytes.data(), bytes.size()), to_numpy(std::move(lengths)));
        })
        .def("__setstate__", [](FeatureTable& table, std::pair<nb::bytes, In<uint32_t>> state) {
            auto& [bytes, lengths] = state;
            Names names;
            size_t begin = 0;
            for (size_t i = 0; i < lengths.size(); begin += lengths.data()[i++]) {
                require(begin + lengths.data()[i] <= bytes.size(), "the names are cut off");
                if (!nb::steal(PyUnicode_DecodeUTF8(bytes.c_str() + begin, lengths.data()[i], nullptr)).is_valid()) throw nb::python_error();
                names.add({bytes.c_str() + begin, lengths.data()[i]});
            }
            FeatureTable read(names);
            require(begin == bytes.size() && read.size() == names.size(), "the names are not those of distinct features");
            new (&table) FeatureTable(std::move(read));
        });
    bind_walks<float>(m, "F32");
    bind_walks<double>(m, "F64");
    m.def("distinct_columns", &distinct_columns, "X"_a);
    m.def("frequency_order", [](In<int32_t> indices, In<int32_t> indptr, size_t n, int64_t min_count) {
        check_features(indptr, indices, 0, n);
        auto [column, n_columns] = [&] {
            nb::gil_scoped_release release;
            return frequency_order(indptr.data(), indptr.size() - 1, indices.data(), n, min_count);
        }();
        return std::make_pair(to_numpy(std::move(column)), n_columns);
    }, "indices"_a.noconvert(), "indptr"_a.noconvert(), "n"_a, "min_count"_a);
    m.def("gather", [](In<int64_t> lengths, const std::vector<std::tuple<In<int32_t>, In<int32_t>, In<int32_t>, int64_t, int32_t>>& parts) {
        require(between(lengths, 0, INT32_MAX), "lengths must be non-negative, and int32");
        int64_t n_tokens = std::accumulate(lengths.data(), lengths.data() + lengths.size(), int64_t(0));
        check_entries(n_tokens);
        std::vector<Part> pointers;
        for (auto& [value, indptr, indices, offset, first] : parts) {
            require(static_cast<int64_t>(value.size()) == n_tokens, "a part must have one value a token");
            check_features(indptr, indices, 0, int64_t(INT32_MAX) - std::max(first, 0) + 1);
            require(first >= 0 && between(value, INT32_MIN, indptr.size() - 1), "a part's values must have rows");
            pointers.push_back({value.data(), indptr.data(), indices.data(), std::clamp(offset, -n_tokens, n_tokens), first});
        }
        auto rows = [&] {
            nb::gil_scoped_release release;
            return gathered(lengths.data(), lengths.size(), pointers);
        }();
        return csr_arrays(std::move(rows));
    }, "lengths"_a.noconvert(), "parts"_a);
}
