// The module of the solvers' and models' kernels. Each room adds its classes and functions.
#include <nanobind/nanobind.h>

#include <exception>

#include "base/interrupt.hpp"

#if defined(_WIN32)
#include <intrin.h>
extern "C" __declspec(dllimport) int __stdcall IsProcessorFeaturePresent(unsigned long);
#endif

namespace nb = nanobind;

void bind_base(nb::module_& m);
void bind_linear(nb::module_& m);
void bind_dual(nb::module_& m);
void bind_chain(nb::module_& m);
void bind_decoder(nb::module_& m);
void bind_solvers(nb::module_& m);
void bind_chain_adagrad(nb::module_&);

// Python's own handlers run here; one that raises, as Ctrl-C's does, leaves its error set.
static bool python_signal_arrived() {
    nb::gil_scoped_acquire acquire;
    return PyErr_CheckSignals() != 0;
}

static void translate(const std::exception_ptr& thrown, void*) {
    try {
        std::rethrow_exception(thrown);
    } catch (const Interrupted&) {
        // the error of Python is set
    }
}

// Tells whether the processor has the instructions of x86-64-v3.
static bool cpu_is_v3() {
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
}

NB_MODULE(MODULE_NAME, m) {
    signal_arrived = &python_signal_arrived;
    nb::register_exception_translator(&translate);
    bind_base(m);
    bind_linear(m);
    bind_dual(m);
    bind_chain(m);
    bind_decoder(m);
    bind_solvers(m);
    bind_chain_adagrad(m);
    m.def("cpu_is_v3", &cpu_is_v3);
}
