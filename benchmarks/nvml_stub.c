/* Sixteen made-up GPUs for nvitop, with the processes of $NVML_STUB_PIDS shared out over them: what nvitop asks NVML
   for is answered at once, and what is not here it takes as not supported. Build: cc -shared -fPIC. */
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <time.h>

enum { DEVICES = 16, MOST_PIDS = 256, OK = 0, INVALID = 2, TOO_SMALL = 7 };
typedef struct { unsigned gpu, memory; } utilization;
typedef struct { unsigned long long total, free, used; } memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } process;
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } pci;

static unsigned pids[MOST_PIDS];
static unsigned pid_count;

static unsigned index_of(void *device) { return (unsigned)(size_t)device - 1; }

int nvmlInitWithFlags(unsigned flags)
{
    const char *text = getenv("NVML_STUB_PIDS");
    (void)flags;
    for (pid_count = 0; text && *text && pid_count < MOST_PIDS; pid_count++) {
        char *end;
        pids[pid_count] = (unsigned)strtoul(text, &end, 10);
        text = *end ? end + 1 : end;
    }
    return OK;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == OK ? "Success" : "Not Supported"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "550.0"); return OK; }
int nvmlSystemGetCudaDriverVersion(int *version) { *version = 12040; return OK; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 12040; return OK; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = DEVICES; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    if (index >= DEVICES) return INVALID;
    *device = (void *)(size_t)(index + 1);
    return OK;
}
int nvmlDeviceGetIndex(void *device, unsigned *index) { *index = index_of(device); return OK; }
int nvmlDeviceGetName(void *device, char *text, unsigned size) { snprintf(text, size, "Stub %u", index_of(device)); return OK; }
int nvmlDeviceGetUUID(void *device, char *text, unsigned size)
{
    snprintf(text, size, "GPU-00000000-0000-0000-0000-%012u", index_of(device));
    return OK;
}
int nvmlDeviceGetPciInfo_v3(void *device, pci *info)
{
    memset(info, 0, sizeof *info);
    info->bus = index_of(device);
    snprintf(info->bus_id, sizeof info->bus_id, "00000000:%02X:00.0", info->bus);
    snprintf(info->legacy, sizeof info->legacy, "0000:%02X:00.0", info->bus);
    return OK;
}
int nvmlDeviceGetUtilizationRates(void *device, utilization *rates)
{
    rates->gpu = (unsigned)((time(NULL) * 7 + index_of(device) * 5) % 101);
    rates->memory = rates->gpu / 2;
    return OK;
}
int nvmlDeviceGetMemoryInfo(void *device, memory *info)
{
    info->total = 8ull << 30;
    info->used = (1ull + index_of(device) % 6) << 30;
    info->free = info->total - info->used;
    return OK;
}
int nvmlDeviceGetMemoryInfo_v2(void *device, memory_v2 *info)
{
    memory plain;
    nvmlDeviceGetMemoryInfo(device, &plain);
    info->total = plain.total; info->used = plain.used; info->free = plain.free; info->reserved = 0;
    return OK;
}
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius)
{
    (void)sensor;
    *celsius = 40 + index_of(device);
    return OK;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) { *milliwatts = 70000 + 1000 * index_of(device); return OK; }
int nvmlDeviceGetPowerManagementLimit(void *device, unsigned *milliwatts) { (void)device; *milliwatts = 150000; return OK; }
int nvmlDeviceGetPerformanceState(void *device, int *state) { (void)device; *state = 0; return OK; }
int nvmlDeviceGetPersistenceMode(void *device, int *mode) { (void)device; *mode = 1; return OK; }
int nvmlDeviceGetComputeMode(void *device, int *mode) { (void)device; *mode = 0; return OK; }
int nvmlDeviceGetDisplayActive(void *device, int *mode) { (void)device; *mode = 0; return OK; }
int nvmlDeviceGetFanSpeed(void *device, unsigned *percent) { *percent = 30 + index_of(device); return OK; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, process *found)
{
    unsigned wanted = 0, room = *count;
    for (unsigned i = index_of(device); i < pid_count; i += DEVICES, wanted++)
        if (wanted < room) {
            found[wanted].pid = pids[i];
            found[wanted].used = 100ull << 20;
            found[wanted].gpu_instance = found[wanted].compute_instance = ~0u;
        }
    *count = wanted;
    return wanted > room ? TOO_SMALL : OK;
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, unsigned *count, process *found)
{
    (void)device; (void)found;
    *count = 0;
    return OK;
}

#define NOT_SUPPORTED(name) int name(void) { return 3; }
NOT_SUPPORTED(nvmlDeviceGetBAR1MemoryInfo)
NOT_SUPPORTED(nvmlDeviceGetClockInfo)
NOT_SUPPORTED(nvmlDeviceGetComputeInstanceId)
NOT_SUPPORTED(nvmlDeviceGetConfComputeMemSizeInfo)
NOT_SUPPORTED(nvmlDeviceGetCudaComputeCapability)
NOT_SUPPORTED(nvmlDeviceGetDecoderUtilization)
NOT_SUPPORTED(nvmlDeviceGetDisplayMode)
NOT_SUPPORTED(nvmlDeviceGetDriverModel)
NOT_SUPPORTED(nvmlDeviceGetDriverModel_v2)
NOT_SUPPORTED(nvmlDeviceGetEncoderUtilization)
NOT_SUPPORTED(nvmlDeviceGetFieldValues)
NOT_SUPPORTED(nvmlDeviceGetGpuInstanceId)
NOT_SUPPORTED(nvmlDeviceGetMPSComputeRunningProcesses_v3)
NOT_SUPPORTED(nvmlDeviceGetMaxClockInfo)
NOT_SUPPORTED(nvmlDeviceGetMaxMigDeviceCount)
NOT_SUPPORTED(nvmlDeviceGetMigMode)
NOT_SUPPORTED(nvmlDeviceGetPcieThroughput)
NOT_SUPPORTED(nvmlDeviceGetProcessUtilization)
NOT_SUPPORTED(nvmlDeviceGetRunningProcessDetailList)
NOT_SUPPORTED(nvmlDeviceGetSerial)
NOT_SUPPORTED(nvmlDeviceGetTemperatureV)
NOT_SUPPORTED(nvmlDeviceGetTotalEccErrors)
NOT_SUPPORTED(nvmlDeviceIsMigDeviceHandle)
