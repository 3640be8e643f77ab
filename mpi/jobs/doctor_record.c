/* Fills the record of one rank. See doctor_record.h. */
#include "mpi/jobs/doctor_record.h"

#include "core/base/clock.h"
#include "core/base/owner.h"
#include "core/nn/gemm.h"
#include "mpi/comm/comm.h"
#include "mpi/comm/selfcheck.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* As much of a text as there is room for. */
static void copy(char *out, size_t cap, const char *text)
{
    (void)snprintf(out, cap, "%.*s", (int)cap - 1, text);
}

/* ---- the name of the host ---- */

static const void *bytes_of(const struct sockaddr *a, size_t *n)
{
    if (a->sa_family == AF_INET) {
        *n = sizeof(struct in_addr);
        return &((const struct sockaddr_in *)(const void *)a)->sin_addr;
    }
    *n = sizeof(struct in6_addr);
    return &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
}

/* 127.0.0.0/8 belongs to every host, although an interface lists 127.0.0.1 alone. */
static bool is_loopback(const struct sockaddr *a)
{
    size_t n;
    return a->sa_family == AF_INET && *(const unsigned char *)bytes_of(a, &n) == 127;
}

static bool is_ours(const struct sockaddr *wanted, const struct ifaddrs *all)
{
    size_t n, m;
    const void *bytes = bytes_of(wanted, &n);
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        if (i->ifa_addr != NULL && i->ifa_addr->sa_family == wanted->sa_family &&
            memcmp(bytes_of(i->ifa_addr, &m), bytes, n) == 0) {
            return true;
        }
    }
    return is_loopback(wanted);
}

/* One address of several that is this host's suffices. */
static enum name_state judge_addresses(struct doctor_record *r, const struct addrinfo *found)
{
    struct ifaddrs *all = NULL;
    enum name_state state = NAME_ELSEWHERE;
    if (getifaddrs(&all) != 0) {
        return NAME_OURS; /* cannot be told, so nothing is said against it */
    }
    for (const struct addrinfo *a = found; a != NULL && state != NAME_OURS; a = a->ai_next) {
        size_t n;
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6) {
            continue;
        }
        (void)inet_ntop(a->ai_family, bytes_of(a->ai_addr, &n), r->address, sizeof r->address);
        state = is_ours(a->ai_addr, all) ? NAME_OURS : NAME_ELSEWHERE;
    }
    freeifaddrs(all);
    return state;
}

static void resolve(struct doctor_record *r, const char *name)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0) {
        copy(host, sizeof host, "unknown");
    }
    copy(r->host, sizeof r->host, host);
    copy(r->name, sizeof r->name, name != NULL ? name : host);
    const double start_s = clock_s();
    const int e = getaddrinfo(name != NULL ? name : host, NULL, &hints, &found);
    r->name_s = clock_s() - start_s;
    if (e != 0) {
        r->name_state = NAME_UNKNOWN;
        copy(r->name_error, sizeof r->name_error, gai_strerror(e));
        return;
    }
    r->name_state = judge_addresses(r, found);
    freeaddrinfo(found);
}

/* ---- the rest ---- */

/* MPI makes its session directory there. */
static void try_temporary(struct doctor_record *r)
{
    const char *dir = getenv("TMPDIR");
    char path[4096];
    dir = dir != NULL && dir[0] != '\0' ? dir : "/tmp";
    (void)snprintf(path, sizeof path, "%s/karma-doctor-XXXXXX", dir);
    if (mkdtemp(path) == NULL) {
        (void)snprintf(r->temporary, sizeof r->temporary, "%s: %s", dir, strerror(errno));
    } else {
        (void)rmdir(path);
    }
}

static void examine_arithmetic(struct doctor_record *r)
{
    r->blas_threads_before = gemm_blas_threads();
    gemm_init(GEMM_BLAS);
    r->blas_threads = gemm_blas_threads();
    copy(r->kernel, sizeof r->kernel, gemm_kernel_name(GEMM_FIXED));
    copy(r->blas_kernel, sizeof r->blas_kernel, gemm_kernel_name(GEMM_BLAS));
    copy(r->blas, sizeof r->blas, gemm_blas_library());
    const char *complaint = selfcheck_complaint(GEMM_FIXED);
    copy(r->complaint, sizeof r->complaint, complaint != NULL ? complaint : "");
    r->crc_fixed = selfcheck_crc(GEMM_FIXED);
    r->crc_blas = selfcheck_crc(GEMM_BLAS);
}

void doctor_examine(struct doctor_record *r)
{
    r->machine = owner_machine();
    comm_library_loaded(r->library, sizeof r->library);
    examine_arithmetic(r);
    r->cores_known = cores_usable(&r->cores, &r->n_cpus);
}

void doctor_examine_early(struct doctor_record *r, const char *name)
{
    resolve(r, name);
    limits_read(&r->limits, "");
    try_temporary(r);
}
