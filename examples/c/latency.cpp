// Executes a model from several threads and prints a histogram of the latencies.
//
//   latency MODEL.neff [THREADS [EXECUTIONS]]
#include <nrt/nrt.h>
#include <nrt/nrt_experimental.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

static void check(NRT_STATUS status, const char *call) {
    if (status == NRT_SUCCESS) return;
    std::fprintf(stderr, "%s: %s (%d)\n", call, nrt_get_status_as_str(status), static_cast<int>(status));
    std::exit(1);
}

static long count_of(const char *text, const char *name, long most) {
    char *end = nullptr;
    const long count = std::strtol(text, &end, 10);
    if (end == text || *end != '\0' || count < 1 || count > most) {
        std::fprintf(stderr, "%s %s: expected a number from 1 to %ld\n", name, text, most);
        std::exit(2);
    }
    return count;
}

// The tensors of one thread. Threads may share a model, not the tensors that they write.
struct Tensors {
    nrt_tensor_set_t *inputs = nullptr, *outputs = nullptr;
    std::vector<nrt_tensor_t *> all;

    explicit Tensors(nrt_model_t *model) {
        nrt_tensor_info_array_t *info = nullptr;
        check(nrt_get_model_tensor_info(model, &info), "nrt_get_model_tensor_info");
        check(nrt_allocate_tensor_set(&inputs), "nrt_allocate_tensor_set");
        check(nrt_allocate_tensor_set(&outputs), "nrt_allocate_tensor_set");
        for (uint64_t i = 0; i < info->tensor_count; i++) {
            const nrt_tensor_info_t &one = info->tensor_array[i];
            nrt_tensor_t *tensor = nullptr;
            check(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_VIRTUAL, -1, one.size, one.name, &tensor),
                  "nrt_tensor_allocate");
            all.push_back(tensor);
            check(nrt_add_tensor_to_tensor_set(one.usage == NRT_TENSOR_USAGE_INPUT ? inputs : outputs, one.name, tensor),
                  "nrt_add_tensor_to_tensor_set");
        }
        check(nrt_free_model_tensor_info(info), "nrt_free_model_tensor_info");
    }
    Tensors(const Tensors &) = delete;
    Tensors &operator=(const Tensors &) = delete;
    ~Tensors() {
        for (nrt_tensor_t *tensor : all) nrt_tensor_free(&tensor);
        nrt_destroy_tensor_set(&inputs);
        nrt_destroy_tensor_set(&outputs);
    }
};

// Bars over doubling latencies, from the smallest that occurred.
static void print_histogram(std::vector<double> &milliseconds) {
    std::sort(milliseconds.begin(), milliseconds.end());
    double low = std::exp2(std::floor(std::log2(milliseconds.front())));
    for (auto at = milliseconds.begin(); at != milliseconds.end(); low *= 2) {
        auto end = std::lower_bound(at, milliseconds.end(), low * 2);
        auto count = static_cast<std::size_t>(end - at);
        std::string bar((count * 50 + milliseconds.size() - 1) / milliseconds.size(), '#');
        std::printf("%9.3f - %9.3f ms %7zu %s\n", low, low * 2, count, bar.c_str());
        at = end;
    }
    std::printf("p50 %.3f ms, p99 %.3f ms\n", milliseconds[milliseconds.size() / 2],
                milliseconds[milliseconds.size() * 99 / 100]);
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 4) {
        std::fprintf(stderr, "usage: %s MODEL.neff [THREADS [EXECUTIONS]]\n", argv[0]);
        return 2;
    }
    const long threads = argc > 2 ? count_of(argv[2], "THREADS", 1000) : 4;
    const long executions = argc > 3 ? count_of(argv[3], "EXECUTIONS", 1000000) : 100;
    std::ifstream file(argv[1], std::ios::binary);
    std::vector<char> neff((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (neff.empty()) {
        std::fprintf(stderr, "%s: cannot be read, or is empty\n", argv[1]);
        return 1;
    }

    nrt_model_t *model = nullptr;
    check(nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""), "nrt_init");
    check(nrt_load(neff.data(), neff.size(), -1, -1, &model), "nrt_load");

    std::vector<std::vector<double>> found(static_cast<std::size_t>(threads));
    std::vector<std::thread> workers;
    const auto started = std::chrono::steady_clock::now();
    const auto work = [model, executions](std::vector<double> &latencies) {
        Tensors tensors(model);
        for (long i = 0; i < executions; i++) {
            const auto before = std::chrono::steady_clock::now();
            check(nrt_execute(model, tensors.inputs, tensors.outputs), "nrt_execute");
            latencies.push_back(
                std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count());
        }
    };
    try {
        for (auto &latencies : found) workers.emplace_back(work, std::ref(latencies));
    } catch (const std::system_error &error) {
        std::fprintf(stderr, "thread %zu of %ld: %s\n", workers.size() + 1, threads, error.what());
        std::_Exit(1);  // Without waiting for the threads that run.
    }
    for (auto &worker : workers) worker.join();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();

    std::vector<double> all;
    for (const auto &latencies : found) all.insert(all.end(), latencies.begin(), latencies.end());
    std::printf("%zu executions by %ld threads, %.1f per second\n", all.size(), threads,
                static_cast<double>(all.size()) / seconds);
    print_histogram(all);
    check(nrt_unload(model), "nrt_unload");
    nrt_close();
    return 0;
}
