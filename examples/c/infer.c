/* Loads a NEFF, runs it once on inputs from files, and writes each output to <tensor name>.out.
 *
 *   infer MODEL.neff [INPUT-NAME FILE]...
 *
 * An input without a file stays zero. */
#include <errno.h>
#include <nrt/nrt.h>
#include <nrt/nrt_experimental.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(NRT_STATUS status, const char *call) {
    if (status != NRT_SUCCESS) {
        fprintf(stderr, "%s: %s (%d)\n", call, nrt_get_status_as_str(status), (int)status);
        exit(1);
    }
}

static void fail(const char *where, const char *what) {
    fprintf(stderr, "%s: %s\n", where, what);
    exit(1);
}

static void *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    void *data;
    long end;
    if (file == NULL) fail(path, strerror(errno));
    /* A directory can be opened and has an end, but not a first byte. */
    if (fgetc(file) == EOF) fail(path, ferror(file) ? strerror(errno) : "the file is empty");
    if (fseek(file, 0, SEEK_END) != 0 || (end = ftell(file)) < 0) fail(path, strerror(errno));
    rewind(file);
    *size = (size_t)end;
    data = malloc(*size);
    if (data == NULL || fread(data, 1, *size, file) != *size) fail(path, strerror(errno));
    fclose(file);
    return data;
}

/* A tensor set for every input or every output of the model. */
static nrt_tensor_set_t *allocate(const nrt_tensor_info_array_t *info, nrt_tensor_usage_t usage) {
    nrt_tensor_set_t *set;
    check(nrt_allocate_tensor_set(&set), "nrt_allocate_tensor_set");
    for (uint64_t i = 0; i < info->tensor_count; i++) {
        const nrt_tensor_info_t *one = &info->tensor_array[i];
        nrt_tensor_t *tensor;
        if (one->usage != usage) continue;
        check(nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, one->size, one->name, &tensor), "nrt_tensor_allocate");
        check(nrt_add_tensor_to_tensor_set(set, one->name, tensor), "nrt_add_tensor_to_tensor_set");
    }
    return set;
}

static void free_all(const nrt_tensor_info_array_t *info, nrt_tensor_usage_t usage, nrt_tensor_set_t *set) {
    for (uint64_t i = 0; i < info->tensor_count; i++) {
        nrt_tensor_t *tensor;
        if (info->tensor_array[i].usage != usage) continue;
        check(nrt_get_tensor_from_tensor_set(set, info->tensor_array[i].name, &tensor), info->tensor_array[i].name);
        nrt_tensor_free(&tensor);
    }
    nrt_destroy_tensor_set(&set);
}

static void save(const nrt_tensor_info_t *info, nrt_tensor_set_t *set) {
    char path[NRT_TENSOR_NAME_MAX + 8];
    nrt_tensor_t *tensor;
    void *data = malloc(info->size);
    FILE *file;
    check(nrt_get_tensor_from_tensor_set(set, info->name, &tensor), info->name);
    check(data == NULL ? NRT_RESOURCE : nrt_tensor_read(tensor, data, 0, info->size), "nrt_tensor_read");
    snprintf(path, sizeof path, "%s.out", info->name);
    for (char *at = path; *at; at++)
        if (*at == '/') *at = '_';
    file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, info->size, file) != info->size || fclose(file) != 0) fail(path, strerror(errno));
    free(data);
}

int main(int argc, char **argv) {
    nrt_model_t *model;
    nrt_tensor_info_array_t *info = NULL;
    nrt_tensor_set_t *inputs, *outputs;
    size_t size;
    void *neff;

    if (argc < 2 || argc % 2 != 0) {
        fprintf(stderr, "usage: %s MODEL.neff [INPUT-NAME FILE]...\n", argv[0]);
        return 2;
    }
    neff = read_file(argv[1], &size);
    check(nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""), "nrt_init");
    check(nrt_load(neff, size, -1, -1, &model), "nrt_load");
    free(neff);
    check(nrt_get_model_tensor_info(model, &info), "nrt_get_model_tensor_info");
    inputs = allocate(info, NRT_TENSOR_USAGE_INPUT);
    outputs = allocate(info, NRT_TENSOR_USAGE_OUTPUT);
    for (int i = 2; i < argc; i += 2) {
        nrt_tensor_t *tensor;
        void *data = read_file(argv[i + 1], &size);
        check(nrt_get_tensor_from_tensor_set(inputs, argv[i], &tensor), argv[i]);
        if (size != nrt_tensor_get_size(tensor)) {
            fprintf(stderr, "%s: %zu bytes, input %s has %zu\n", argv[i + 1], size, argv[i], nrt_tensor_get_size(tensor));
            return 1;
        }
        check(nrt_tensor_write(tensor, data, 0, size), "nrt_tensor_write");
        free(data);
    }

    check(nrt_execute(model, inputs, outputs), "nrt_execute");

    for (uint64_t i = 0; i < info->tensor_count; i++)
        if (info->tensor_array[i].usage == NRT_TENSOR_USAGE_OUTPUT) save(&info->tensor_array[i], outputs);
    check(nrt_unload(model), "nrt_unload");
    free_all(info, NRT_TENSOR_USAGE_INPUT, inputs);
    free_all(info, NRT_TENSOR_USAGE_OUTPUT, outputs);
    check(nrt_free_model_tensor_info(info), "nrt_free_model_tensor_info");
    nrt_close();
    printf("DONE\n");
    return 0;
}
