// The walk over sequences of tokens that are Python's objects, and the messages about where it is.
#pragma once
#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace nb = nanobind;

// Returns what is read, held. Without a GIL this is a copy that other threads do not see.
inline nb::object unshared(PyObject* container) {
#if defined(Py_GIL_DISABLED)
    nb::object copy = nb::steal(PyDict_Check(container) ? PyDict_Copy(container) : PySequence_Tuple(container));
    if (!copy.is_valid()) throw nb::python_error();
    return copy;
#else
    return nb::borrow(container);
#endif
}

inline const char* type_name(PyObject* object) { return Py_TYPE(object)->tp_name; }

// Returns a dict with what another mapping holds, a list of what another collection holds; nothing where x is neither,
// or is a string.
[[gnu::noinline]] inline nb::object collected(PyObject* x) {
    nb::object copy;
    if (PyUnicode_Check(x) || PyBytes_Check(x) || !PyObject_HasAttrString(x, "__len__")) return copy;
    if (PyMapping_Check(x) && PyObject_HasAttrString(x, "keys")) {
        copy = nb::steal(PyDict_New());
        if (copy.is_valid() && PyDict_Update(copy.ptr(), x)) copy.reset();
    } else {
        copy = nb::steal(PySequence_List(x));
    }
    if (copy.is_valid()) return copy;
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw nb::python_error();
    PyErr_Clear();
    return copy;
}

// Keeps where a walk is, for messages.
struct Position {
    Py_ssize_t sequence = 0, token = 0;

    [[noreturn]] void refuse(const std::string& what) const {
        throw nb::value_error(
            ("X: sequence " + std::to_string(sequence) + ", token " + std::to_string(token) + what).c_str());
    }

    [[noreturn]] void refuse_sequence(PyObject* got, const std::string& items) const {
        bool wrap = PyDict_Check(got) || PyUnicode_Check(got);
        throw nb::value_error(("X: sequence " + std::to_string(sequence) + " must be a list of " + items + ", got " +
                               type_name(got) + (wrap ? "; give one sequence as a list that holds it" : ""))
                                  .c_str());
    }
};

// Calls read(token) for each token of each sequence, and returns the numbers of tokens.
template <class Read>
std::vector<int64_t> each_token(nb::list X, const char* items, Position& at, Read read) {
    std::vector<int64_t> lengths;
    nb::object sequences = unshared(X.ptr());
    for (at.sequence = 0; at.sequence < PySequence_Fast_GET_SIZE(sequences.ptr()); ++at.sequence) {
        if (at.sequence % 256 == 0 && PyErr_CheckSignals()) throw nb::python_error();
        nb::object sequence = nb::borrow(PySequence_Fast_GET_ITEM(sequences.ptr(), at.sequence));
        PyObject* s = sequence.ptr();
        if (PyUnicode_Check(s) || PyBytes_Check(s) || PyDict_Check(s) || PyAnySet_Check(s))
            at.refuse_sequence(s, items);
        nb::object tokens = nb::steal(PySequence_Fast(s, ""));
        if (!tokens.is_valid()) {
            PyErr_Clear();
            at.refuse_sequence(s, items);
        }
        tokens = unshared(tokens.ptr());
        for (at.token = 0; at.token < PySequence_Fast_GET_SIZE(tokens.ptr()); ++at.token)
            read(PySequence_Fast_GET_ITEM(tokens.ptr(), at.token));
        lengths.push_back(at.token);
    }
    return lengths;
}
