// Reads dicts, lists, tuples and sets of features into rows.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "features/bind_tokens.hpp"
#include "features/names.hpp"
#include "features/rows.hpp"
#include "features/vectors.hpp"

// Guards the stack against dicts that are nested too deeply, or hold themselves.
struct Nested {
    Nested() {
        if (Py_EnterRecursiveCall(" while reading nested features")) throw nb::python_error();
    }
    ~Nested() { Py_LeaveRecursiveCall(); }
};

// Reads items as python-crfsuite's ItemSequence does. `number(names, columns)` gives the columns of features, -1 for
// none. Arrays of numbers go to `vectors`; where there is no place for them, they are refused.
//
// A number's __float__ may run foreign code. Whatever that does to the containers, each is held while it is read.
template <class T, class Number>
class Walk {
public:
    Rows<T> rows;
    std::vector<int64_t> lengths;

    Walk(Number number, TokenVectors<T>* vectors) : number_(number), vectors_(vectors) {}

    void sequences(nb::list X) {
        lengths = each_token(X, "items, each a dict or a list of strings", at_, [&](PyObject* x) {
            item(x);
            finish_row();
        });
        if (vectors_) vectors_->finish(n_tokens());
    }

private:
    Number number_;
    TokenVectors<T>* vectors_;
    Position at_;
    std::string prefix_;  // of the names inside a nested container
    Names names_;         // of the token that is being read

    // Returns how many tokens have been read to their ends.
    size_t n_tokens() const { return rows.indptr.size() - 1; }

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
        if (is_container(x)) return container(x);
        other_item(x);
    }

    [[gnu::noinline]] void other_item(PyObject* x) {
        nb::object held = collected(x);
        if (!held.is_valid())
            refuse(std::string("an item must be a dict or a collection of strings, got ") + type_name(x));
        container(held.ptr());
    }

    static bool is_container(PyObject* x) {
        return PyDict_Check(x) || PyList_Check(x) || PyTuple_Check(x) || PyAnySet_Check(x);
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

    // Reads a set in sorted order, so that columns do not depend on the seed of Python's hashes.
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
        } else if (is_container(value)) {
            nested(value);
        } else {
            other(value);
        }
    }

    // Reads an integer, another number or another collection. Apart, so that the usual values stay in one loop.
    [[gnu::noinline]] void other(PyObject* value) {
        // NumPy before 2.4 makes a number of an array of one string
        if (has_length(value) &&
            (vector<float>(value, false) || vector<double>(value, false) || vector<double>(value, true)))
            return;
        nb::object held = has_length(value) ? collected(value) : nb::object();
        if (!holds_strings(held))
            if (std::optional<double> x = as_double(value)) return number(*x);
        if (!held.is_valid()) held = collected(value);
        if (!held.is_valid()) {
            refuse(std::string("a value must be a number, a boolean, a string, or a dict or collection of them, got ") +
                   type_name(value));
        }
        nested(held.ptr());
    }

    static bool has_length(PyObject* value) {
        const PySequenceMethods* methods = Py_TYPE(value)->tp_as_sequence;
        return methods && methods->sq_length;
    }

    // Reads an array of numbers of one dimension, of type U or what can be converted to it. Returns false where it is
    // none. Double is the type to convert to, in which nothing overflows.
    template <class U>
    bool vector(PyObject* value, bool convert) {
        nb::object held = nb::borrow(value);
        nb::ndarray<const U, nb::ndim<1>, nb::c_contig, nb::device::cpu> array;  // aligned or not
        if (!nb::try_cast(held, array, convert)) return false;
        if (!vectors_) refuse("a vector needs n_features=None, since hashing learns no keys");
        const size_t size = array.size();
        if (!size) return true;  // an empty collection
        KeyVectors<T>* key = vectors_->of(names_.opened(), size);
        if (!key) return true;  // not of those of fit
        if (size != key->size)
            refuse("a vector must have " + std::to_string(key->size) + " numbers, as the others of its key, got " +
                   std::to_string(size));
        T* row = key->row(n_tokens());
        for (size_t i = 0; i < size; ++i) {
            U x;
            std::memcpy(&x, array.data() + i, sizeof x);
            row[i] = finite(static_cast<double>(row[i]) + x);
        }
        return true;
    }

    // Tells whether it is a dict, or a list that begins with a string.
    static bool holds_strings(const nb::object& held) {
        if (!held.is_valid()) return false;
        if (PyDict_Check(held.ptr())) return true;
        if (!PyList_Check(held.ptr()) || !PyList_GET_SIZE(held.ptr())) return false;
        PyObject* first = PyList_GET_ITEM(held.ptr(), 0);
        return PyUnicode_Check(first) || PyBytes_Check(first);
    }

    [[gnu::always_inline]] void nested(PyObject* value) {
        Nested guard;
        size_t before = prefix_.size();
        prefix_.assign(names_.opened()).push_back(':');
        names_.open();
        container(value);
        prefix_.resize(before);
    }

    void number(double x) {
        T value = finite(x);
        if (value != 0) close(value);
    }

    T finite(double x) {
        T value = static_cast<T>(x);
        if (!std::isfinite(value))
            refuse("the value is " + std::string(nb::repr(nb::float_(x)).c_str()) + ", which is not finite" +
                   (std::isfinite(x) ? " in float32" : ""));
        return value;
    }

    // Returns nothing where the value is no number.
    std::optional<double> as_double(PyObject* value) {
        nb::object held = nb::borrow(value);
        double x = PyFloat_AsDouble(value);
        if (x != -1 || !PyErr_Occurred()) return x;
        bool too_large = PyErr_ExceptionMatches(PyExc_OverflowError);
        if (!too_large && !PyErr_ExceptionMatches(PyExc_TypeError) && !PyErr_ExceptionMatches(PyExc_ValueError))
            throw nb::python_error();
        PyErr_Clear();
        if (too_large) refuse("the value is an integer that is too large for a float");
        return std::nullopt;
    }

    void check_string(PyObject* x) {
        if (PyUnicode_Check(x) || PyBytes_Check(x)) return;
        const bool numbers = !PyLong_Check(x) && (PyNumber_Check(x) || has_length(x));
        refuse(std::string("keys, and the items of lists, must be strings, got ") + type_name(x) +
               (numbers ? "; a vector must be a NumPy array of one dimension, of real numbers" : ""));
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

    // Encodes a string. PyUnicode_AsUTF8AndSize would keep a copy inside each string of the user's.
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
