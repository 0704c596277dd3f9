"""The kernels under GCC's sanitizers: ``python -m tests.kernels.sanitizers {address,thread} [what pytest shall run]``.

`address` is AddressSanitizer, UndefinedBehaviorSanitizer, and the standard library's own checks of what it is asked
for; `thread` is ThreadSanitizer. The modules are compiled into build/sanitizers, which takes some minutes the first
time and again when a kernel changes, beside a copy of the package and of the tests; the checkout is not touched.
Linux with GCC, CMake and ninja. ``--fuzz SECONDS {address,thread}`` runs `tests.kernels.fuzz_kernels` instead of tests.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("_core", "_core_v3", "_features", "_text")
FLAGS = {
    "address": "-fsanitize=address,undefined -fno-sanitize-recover=all -D_GLIBCXX_ASSERTIONS",
    "thread": "-fsanitize=thread",
}
RUNTIMES = {"address": ("libasan.so", "libubsan.so", "libstdc++.so.6"), "thread": ("libtsan.so", "libstdc++.so.6")}
OPTIONS = {
    # CPython is not compiled with the sanitizer, and holds memory until the end on purpose; what kernels lose is looked
    # for by tests/kernels/test_errors.py
    "address": {
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    },
    "thread": {
        "TSAN_OPTIONS": "halt_on_error=1:exitcode=66:allocator_may_return_null=1:history_size=4:suppressions=tsan"
    },
}
# The C library frees the thread-local memory of a thread that has ended, which the kernel of the system, not an
# instruction that the sanitizer sees, has told it.
SUPPRESSIONS = "race:_dl_deallocate_tls\n"
# Whose arguments reach the kernels; with threads, those that start some.
TESTS = {
    "address": [
        "objectives/test_objectives", "solvers/test_newton", "objectives/test_losses", "solvers/test_rules",
        "objectives/test_dual", "objectives/test_dual_bounds", "objectives/test_chain", "crf/test_chain_decoder",
        "feature_extraction/test_feature_extraction", "feature_extraction/test_text",
        "feature_extraction/test_text_threads", "kernels/test_arguments", "estimator/test_concurrency",
    ],
    "thread": [
        "objectives/test_objectives", "solvers/test_newton", "objectives/test_chain", "crf/test_chain_decoder",
        "objectives/test_dual", "feature_extraction/test_text_threads", "kernels/test_arguments",
        "estimator/test_concurrency",
    ],
}  # fmt: skip


def build(kind):
    """Compile the modules and put them beside copies of the package and of the tests; the folder of these."""
    folder = ROOT / "build" / "sanitizers" / kind
    nanobind = subprocess.run(
        [sys.executable, "-m", "nanobind", "--cmake_dir"], capture_output=True, text=True, check=True
    ).stdout.strip()
    configure = ["cmake", "-S", ROOT / "skopt_solvers" / "_kernels", "-B", folder / "cmake", "-G", "Ninja"]
    configure += [
        "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
        "-DCMAKE_CXX_COMPILER=g++",
        f"-DPython_EXECUTABLE={sys.executable}",
    ]
    configure += [f"-Dnanobind_DIR={nanobind}", f"-DCMAKE_CXX_FLAGS={FLAGS[kind]} -g1 -fno-omit-frame-pointer"]
    configure += ["-DKERNEL_OPTIMISATION=-O1"]  # with -O3 a file takes ten minutes and more
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder / "cmake", *MODULES], check=True)
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    for part in ("skopt_solvers", "tests"):
        shutil.copytree(ROOT / part, run / part, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", run)
    (run / "tsan").write_text(SUPPRESSIONS)
    for module in MODULES:
        for library in (folder / "cmake").glob(module + ".*.so"):
            shutil.copy(library, run / "skopt_solvers" / "_kernels")
    return run


def environment(kind, folder):
    """Of a Python that is not compiled with the sanitizer: its runtime comes first, and Python's memory from malloc."""
    libraries = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in RUNTIMES[kind]
    ]
    settings = dict(
        PYTHONMALLOC="malloc", PYTHONPATH=str(folder), OPENBLAS_NUM_THREADS="1", SKOPT_SOLVERS_SANITIZER=kind
    )
    return dict(os.environ, LD_PRELOAD=" ".join(libraries), **settings, **OPTIONS[kind])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=sorted(FLAGS))
    parser.add_argument("--fuzz", type=float, metavar="SECONDS", help="random arguments instead of tests")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for pytest; by default the tests of the kernels")
    options = parser.parse_args()
    folder = build(options.kind)
    if options.fuzz:
        command = [
            sys.executable,
            "-m",
            "tests.kernels.fuzz_kernels",
            "--seconds",
            str(options.fuzz),
            *options.arguments,
        ]
    else:
        tests = options.arguments or [f"tests/{name}.py" for name in TESTS[options.kind]]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--capture=sys", "-p", "no:cacheprovider", *tests]
    # fixed addresses: ThreadSanitizer of GCC before 14 cannot start where the kernel scatters them widely
    command = ["setarch", platform.machine(), "-R", *command]
    sys.exit(subprocess.run(command, cwd=folder, env=environment(options.kind, folder)).returncode)


if __name__ == "__main__":
    main()
