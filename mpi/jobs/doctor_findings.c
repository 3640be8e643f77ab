/* Findings about MPI, the CPUs and the cores. See doctor_findings.h. */
#include "mpi/jobs/doctor_findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- the report ---- */

void doctor_report_init(struct doctor_report *r)
{
    *r = (struct doctor_report){.failed = ERR_OK};
    buf_init(&r->text);
}

void doctor_report_release(struct doctor_report *r)
{
    buf_release(&r->text);
}

void doctor_say(struct doctor_report *r, enum doctor_level level, const char *topic,
                const char *fmt, ...)
{
    static const char *const words[DOCTOR_LEVELS] = {"ok", "warning", "error"};
    char sentence[4096];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    const enum err e = buf_printf(&r->text, "%-8s %-17s %s\n", words[level], topic, sentence);
    r->failed = r->failed == ERR_OK ? e : r->failed;
    r->n[level]++;
}

/* ---- hosts ---- */

bool doctor_first_of_host(const struct doctor_facts *f, int i)
{
    for (int k = 0; k < i; k++) {
        if (f->ranks[k].machine == f->ranks[i].machine) {
            return false;
        }
    }
    return true;
}

int doctor_ranks_of_host(const struct doctor_facts *f, int i)
{
    int n = 0;
    for (int k = 0; k < f->n; k++) {
        n += f->ranks[k].machine == f->ranks[i].machine;
    }
    return n;
}

int doctor_hosts(const struct doctor_facts *f)
{
    int n = 0;
    for (int i = 0; i < f->n; i++) {
        n += doctor_first_of_host(f, i);
    }
    return n;
}

static const char *plural(int n)
{
    return n == 1 ? "" : "s";
}

/* ---- MPI ---- */

/* "Open MPI 4.1.4" -> "4.1.4"; the words of a family end before its first digit. */
static const char *version_of(const char *library)
{
    return library + strcspn(library, "0123456789");
}

/* MPI libraries of one family keep their binary interface within a major version only. */
static void judge_library(struct doctor_report *r, const struct doctor_facts *f)
{
    const char *version = version_of(f->library);
    const char *loaded = f->ranks[0].library, *other = NULL;
    const size_t family = (size_t)(version - f->library), major = strcspn(version, ".");
    const char *loaded_version = version_of(loaded);
    for (int i = 1; i < f->n && other == NULL; i++) {
        other = strcmp(f->ranks[i].library, loaded) != 0 ? f->ranks[i].library : NULL;
    }
    if (other != NULL) {
        doctor_say(
            r, DOCTOR_ERROR, "MPI",
            "the ranks have loaded different libraries: '%s' and '%s'. Remedy: load the same "
            "module on every host (slurm/env.sh)",
            loaded, other);
    } else if (family > 0 && (strncmp(loaded, f->library, family - 1) != 0 ||
                              strncmp(loaded_version, version, major + 1) != 0)) {
        doctor_say(
            r, DOCTOR_ERROR, "MPI",
            "built with %s, but '%s' was loaded. Remedy: load the module that was loaded for "
            "the build, or build again: make clean && make",
            f->library, loaded);
    } else if (!f->threads.enough) {
        doctor_say(
            r, DOCTOR_ERROR, "MPI",
            "%s provides the thread level '%s', but '%s' is needed. Remedy: build with an MPI "
            "library that supports threads",
            f->library, f->threads.provided, f->threads.needed);
    } else if (strcmp(f->library, "serial") == 0) {
        doctor_say(r, DOCTOR_OK, "MPI", "none: this program was built for one rank (make MPI=0)");
    } else {
        doctor_say(r, DOCTOR_OK, "MPI", "%s, thread level %s (%s is needed)", f->library,
                   f->threads.provided, f->threads.needed);
    }
}

static void judge_launcher(struct doctor_report *r, const struct doctor_facts *f)
{
    const struct launched *l = &f->launched;
    const int hosts = doctor_hosts(f);
    if (l->size > 1 && f->n == 1) {
        doctor_say(r, DOCTOR_ERROR, "launcher",
                   "%s started %d processes, but each of them is a job of one rank, because the "
                   "launcher does not belong to %s. Remedy: mpi/launch -n %d ..., which looks for "
                   "the right one",
                   launched_by(l), l->size, f->library, l->size);
    } else if (l->job != NULL && l->tasks > f->n) {
        doctor_say(
            r, DOCTOR_WARNING, "launcher",
            "the Slurm job %s has %d tasks, but %d rank%s run%s. Remedy: mpi/launch -n %d ...",
            l->job, l->tasks, f->n, plural(f->n), f->n == 1 ? "s" : "", l->tasks);
    } else if (l->job != NULL && l->tasks > 0 && l->tasks < f->n) {
        doctor_say(
            r, DOCTOR_WARNING, "launcher",
            "%d ranks run, but the Slurm job %s has %d task%s, so they share its CPUs. Remedy: "
            "sbatch --ntasks=%d",
            f->n, l->job, l->tasks, plural(l->tasks), f->n);
    } else if (l->job != NULL && l->nodes > hosts) {
        doctor_say(
            r, DOCTOR_WARNING, "launcher",
            "the Slurm job %s has %d nodes, but ranks run on %d. Remedy: sbatch --nodes=%d, or "
            "a mapping in KARMA_LAUNCH_ARGS (--map-by node)",
            l->job, l->nodes, hosts, hosts);
    } else if (l->job != NULL) {
        doctor_say(r, DOCTOR_OK, "launcher", "%s, Slurm job %s: %d rank%s on %d host%s",
                   launched_by(l), l->job, f->n, plural(f->n), hosts, plural(hosts));
    } else {
        doctor_say(r, DOCTOR_OK, "launcher", "%s: %d rank%s on %d host%s", launched_by(l), f->n,
                   plural(f->n), hosts, plural(hosts));
    }
}

/* Ranks that poll on a core that they share answer after a time slice of the scheduler, which is
 * some milliseconds; on Ethernet an agreement takes some tens of microseconds. */
static void judge_speed(struct doctor_report *r, const struct doctor_facts *f)
{
    static const double start_limit_s = 4.0, agreement_limit_s = 5e-3;
    double start_s = 0.0;
    const struct doctor_record *slowest = &f->ranks[0];
    for (int i = 0; i < f->n; i++) {
        if (f->ranks[i].start_s > start_s) {
            start_s = f->ranks[i].start_s;
            slowest = &f->ranks[i];
        }
    }
    if (start_s > start_limit_s) {
        doctor_say(
            r, DOCTOR_WARNING, "start of MPI",
            "%.1f s on %s. Remedy: see 'host name' below; else KARMA_LAUNCH_LOUD=1 mpi/launch "
            "... shows what it waits for",
            start_s, slowest->host);
    } else {
        doctor_say(r, DOCTOR_OK, "start of MPI", "%.2f s", start_s);
    }
    if (f->n == 1) {
        return;
    }
    if (f->agreement_s > agreement_limit_s) {
        doctor_say(r, DOCTOR_WARNING, "messages",
                   "an agreement of all ranks takes %.1f ms. Remedy: no more ranks than cores (see "
                   "'cores' below); between hosts, let MPI use the fast network "
                   "(OMPI_MCA_btl_tcp_if_include)",
                   1e3 * f->agreement_s);
    } else {
        doctor_say(r, DOCTOR_OK, "messages", "an agreement of all ranks takes %.0f us",
                   1e6 * f->agreement_s);
    }
}

void doctor_judge_mpi(struct doctor_report *r, const struct doctor_facts *f)
{
    judge_library(r, f);
    judge_launcher(r, f);
    judge_speed(r, f);
}

/* ---- arithmetic ---- */

static void list_features(char *out, size_t cap, const struct doctor_facts *f, uint32_t set)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < f->n_cpu_names; i++) {
        if ((set >> i & 1) != 0 && used < cap) {
            used += (size_t)snprintf(out + used, cap - used, "%s%s", used > 0 ? " " : "",
                                     f->cpu_names[i]);
        }
    }
    if (used == 0) {
        (void)snprintf(out, cap, "nothing beyond the oldest CPU of its family");
    }
}

/* main() ends the program on a CPU that lacks what the build needs, so a rank without it is only
 * found here if its host said so falsely; the comparison costs nothing. */
static void judge_cpu(struct doctor_report *r, const struct doctor_facts *f)
{
    char built[256], more[256];
    uint32_t common = ~0U;
    for (int i = 0; i < f->n; i++) {
        common &= f->ranks[i].cpu;
        if ((f->cpu_built & ~f->ranks[i].cpu) != 0) {
            list_features(more, sizeof more, f, f->cpu_built & ~f->ranks[i].cpu);
            doctor_say(r, DOCTOR_ERROR, "CPU",
                       "%s lacks %s, for which this program was built. Remedy: make ARCH=x86-64",
                       f->ranks[i].host, more);
            return;
        }
    }
    list_features(built, sizeof built, f, f->cpu_built);
    const uint32_t unused = common & ~f->cpu_built;
    list_features(more, sizeof more, f, unused);
    doctor_say(r, DOCTOR_OK, "CPU", "the build needs %s%s%s%s", built,
               unused != 0 ? "; there is also " : "", unused != 0 ? more : "",
               unused != 0 ? ", which make ARCH=native uses" : "");
}

static void judge_exactness(struct doctor_report *r, const struct doctor_facts *f)
{
    bool one_kernel = true;
    for (int i = 0; i < f->n; i++) {
        const struct doctor_record *a = &f->ranks[i];
        if (a->complaint[0] != '\0') {
            doctor_say(r, DOCTOR_ERROR, "arithmetic",
                       "rank %d on %s cannot give reproducible results. Remedy: %s", i, a->host,
                       a->complaint);
            return;
        }
        if (a->crc_fixed != f->ranks[0].crc_fixed) {
            doctor_say(r, DOCTOR_ERROR, "arithmetic",
                       "rank %d on %s calculates otherwise than rank 0 on %s (%08x, %08x). Remedy: "
                       "the same build on every host",
                       i, a->host, f->ranks[0].host, (unsigned)a->crc_fixed,
                       (unsigned)f->ranks[0].crc_fixed);
            return;
        }
        one_kernel = one_kernel && strcmp(a->kernel, f->ranks[0].kernel) == 0;
    }
    doctor_say(r, DOCTOR_OK, "arithmetic", "the same bits on every rank (check %08x), kernel %s%s",
               (unsigned)f->ranks[0].crc_fixed, f->ranks[0].kernel,
               one_kernel ? "" : " on rank 0 and another one elsewhere, with the same results");
}

/* "OpenBLAS 0.3.21 NO_LAPACKE ..." -> its first two words. */
static int name_length(const char *blas)
{
    const size_t first = strcspn(blas, " ");
    return (int)(first + (blas[first] == ' ' ? 1 + strcspn(blas + first + 1, " ") : 0));
}

static void judge_blas(struct doctor_report *r, const struct doctor_facts *f)
{
    const struct doctor_record *zero = &f->ranks[0];
    for (int i = 0; i < f->n; i++) {
        const struct doctor_record *a = &f->ranks[i];
        if (strcmp(a->blas_kernel, zero->blas_kernel) != 0 || a->crc_blas != zero->crc_blas) {
            doctor_say(
                r, DOCTOR_WARNING, "BLAS",
                "kernel %s on rank %d (%s), %s on rank 0 (%s): with 'gemm: blas' results would "
                "differ. Remedy: keep 'gemm: fixed', the default, or ask for hosts of one kind "
                "(sbatch --constraint)",
                a->blas_kernel, i, a->host, zero->blas_kernel, zero->host);
            return;
        }
        if (a->blas_threads > 1) {
            doctor_say(r, DOCTOR_WARNING, "BLAS",
                       "%d threads on rank %d, although one was asked for. Remedy: export "
                       "OPENBLAS_NUM_THREADS=1",
                       a->blas_threads, i);
            return;
        }
    }
    /* The threads that OpenBLAS made when it was loaded stay, without work. */
    if (zero->blas_threads_before > 1) {
        doctor_say(r, DOCTOR_OK, "BLAS",
                   "%.*s, kernel %s, one thread per rank; it had started %d, which mpi/launch "
                   "prevents (OPENBLAS_NUM_THREADS=1)",
                   name_length(zero->blas), zero->blas, zero->blas_kernel,
                   zero->blas_threads_before);
    } else {
        doctor_say(r, DOCTOR_OK, "BLAS", "%.*s, kernel %s, one thread per rank",
                   name_length(zero->blas), zero->blas, zero->blas_kernel);
    }
}

void doctor_judge_arithmetic(struct doctor_report *r, const struct doctor_facts *f)
{
    judge_cpu(r, f);
    judge_exactness(r, f);
    judge_blas(r, f);
}

/* ---- cores ---- */

/* The ranks of one host, gathered from the records. */
struct host_cores {
    const char *host;
    struct core_set *masks; /* (n) */
    int *rank_of, *core_of; /* (n) */
    int n, usable;
};

static enum err gather(struct host_cores *h, const struct doctor_facts *f, int first)
{
    struct core_set all = {{0}};
    const int n = doctor_ranks_of_host(f, first);
    *h = (struct host_cores){.host = f->ranks[first].host,
                             .masks = ARENA_NEW(f->arena, n, struct core_set),
                             .rank_of = ARENA_NEW(f->arena, n, int),
                             .core_of = ARENA_NEW(f->arena, n, int)};
    TRY(arena_error(f->arena));
    for (int i = first; i < f->n; i++) {
        if (f->ranks[i].machine == f->ranks[first].machine) {
            h->masks[h->n] = f->ranks[i].cores;
            h->rank_of[h->n++] = i;
            cores_unite(&all, &f->ranks[i].cores);
        }
    }
    h->usable = cores_count(&all);
    return ERR_OK;
}

/* A rank without a core of its own, and another one that has a core which both may use. There is
 * one: otherwise that core would be free, and the matching could be larger. */
static void name_two(const struct host_cores *h, int *rank, int *other, int *core)
{
    int without = 0;
    while (without < h->n - 1 && h->core_of[without] >= 0) {
        without++;
    }
    *rank = *other = h->rank_of[without];
    *core = -1;
    for (int i = 0; i < h->n; i++) {
        if (h->core_of[i] >= 0 && cores_has(&h->masks[without], h->core_of[i])) {
            *other = h->rank_of[i];
            *core = h->core_of[i];
            return;
        }
    }
}

/* A host has room for its ranks if each of them can have a core for itself. Let m be the size of a
 * maximum matching of ranks to cores and u the number of cores that any of the ranks may use. If
 * m < n and u < n, there are too few cores. If m < n and u >= n, the masks are to blame: some ranks
 * may use the same few cores only, while others stay free. */
static void judge_cores_of(struct doctor_report *r, const struct doctor_facts *f, int first)
{
    struct host_cores h;
    const enum err e = gather(&h, f, first);
    if (e != ERR_OK) {
        r->failed = e;
        return;
    }
    const double quota = f->ranks[first].limits.cpu_quota;
    const int matched = cores_match(h.core_of, h.masks, h.n);
    int rank, other, core;
    if (!f->ranks[first].cores_known) {
        doctor_say(r, DOCTOR_OK, "cores", "%s does not say which cores its processes may use",
                   h.host);
    } else if (quota > 0.0 && quota < h.n) {
        doctor_say(
            r, DOCTOR_WARNING, "cores",
            "%s: the control group grants %.1f CPUs to %d rank%s. Remedy: no more ranks than "
            "that, or a larger limit (--cpus of the container, sbatch --cpus-per-task)",
            h.host, quota, h.n, plural(h.n));
    } else if (matched < h.n && h.usable < h.n) {
        doctor_say(r, DOCTOR_WARNING, "cores",
                   "%s: %d ranks share %d core%s, so they run in turns. Remedy: %d rank%s on this "
                   "host, or more cores (sbatch --ntasks=%d --cpus-per-task=1)",
                   h.host, h.n, h.usable, plural(h.usable), h.usable, plural(h.usable), h.n);
    } else if (matched < h.n) {
        name_two(&h, &rank, &other, &core);
        doctor_say(r, DOCTOR_WARNING, "cores",
                   "%s: ranks %d and %d are bound to the same core (CPU %d), although %d cores are "
                   "there for %d ranks. Remedy: KARMA_PIN=none, or KARMA_PIN=cores if no other job "
                   "runs there (docs/slurm.md)",
                   h.host, other, rank, core, h.usable, h.n);
    } else {
        doctor_say(r, DOCTOR_OK, "cores", "%s: %d core%s for %d rank%s, rank %d may use %d of them",
                   h.host, h.usable, plural(h.usable), h.n, plural(h.n), first,
                   cores_count(&f->ranks[first].cores));
    }
}

void doctor_judge_cores(struct doctor_report *r, const struct doctor_facts *f)
{
    for (int i = 0; i < f->n; i++) {
        if (doctor_first_of_host(f, i)) {
            judge_cores_of(r, f, i);
        }
    }
}
