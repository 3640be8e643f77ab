/* Objects of the Kubernetes API as far as a controller needs them: JSON -> structs of fixed size.
 *
 * The structs own nothing, so a list of them is one array. A text that does not fit, a count below
 * zero or beyond KUBE_COUNT_MAX, or an object without a name is refused: ERR_FORMAT. What
 * Kubernetes may leave out gets the value that Kubernetes gives it.
 */
#ifndef KARMA_TRANSFER_KUBE_OBJECTS_H
#define KARMA_TRANSFER_KUBE_OBJECTS_H

#include "core/base/err.h"
#include "core/transfer/json.h"

#include <stdbool.h>

enum {
    KUBE_NAME_BYTES = 254, /* of a DNS name, with its NUL */
    KUBE_ID_BYTES = 64,
    KUBE_SELECTOR_BYTES = 1024,
    KUBE_COUNT_MAX = 1000000
};

enum kube_kind { KUBE_DEPLOYMENT, KUBE_POD, KUBE_HPA, KUBE_SCALED_OBJECT, KUBE_KINDS };

struct kube_meta {
    char name[KUBE_NAME_BYTES];
    char uid[KUBE_ID_BYTES];
    char version[KUBE_ID_BYTES]; /* resourceVersion: opaque, compared for equality only */
    bool deleting;               /* it has a deletionTimestamp */
};

struct kube_deployment {
    int replicas;                            /* wanted (spec), 1 if not given */
    int existing, ready, available, updated; /* counted by the deployment controller (status) */
    bool observed;                           /* the status is of the newest spec */
    bool paused;
    bool selector_whole; /* `selector` says all of the selector: it has no expressions */
    char selector[KUBE_SELECTOR_BYTES]; /* labels of its pods, "app=a,tier=b" */
    double cpu_request_m;               /* of one pod, all containers, milli-cores; 0: none */
    double memory_request_mib;
};

struct kube_pod {
    char phase[KUBE_ID_BYTES];   /* Pending, Running, Succeeded, Failed, Unknown */
    char owner[KUBE_NAME_BYTES]; /* the controller of the pod, a ReplicaSet; "" */
    char node[KUBE_NAME_BYTES];  /* "": not scheduled */
    bool ready;
    int restarts; /* of all containers */
    double cpu_request_m, memory_request_mib;
};

/* A HorizontalPodAutoscaler or a ScaledObject of KEDA: somebody who scales a target. */
struct kube_hpa {
    char target_kind[KUBE_ID_BYTES], target[KUBE_NAME_BYTES];
    char owner_kind[KUBE_ID_BYTES], owner[KUBE_NAME_BYTES]; /* who made it; "" */
    int min, max, current, wanted;
};

struct kube_object {
    enum kube_kind kind;
    struct kube_meta meta;
    union {
        struct kube_deployment deployment;
        struct kube_pod pod;
        struct kube_hpa hpa; /* of KUBE_HPA and KUBE_SCALED_OBJECT */
    };
};

/* The answer to the subresource `scale`. */
struct kube_scale {
    struct kube_meta meta;
    int replicas; /* wanted */
    int existing;
};

/* One object of a list or a watch, or a scale. `why` (n_why bytes): what is wrong with it. */
enum err kube_read_object(struct kube_object *out, enum kube_kind kind, const struct json *j,
                          char *why, size_t n_why) WARN_UNUSED;
enum err kube_read_scale(struct kube_scale *out, const struct json *j, char *why,
                         size_t n_why) WARN_UNUSED;

/* "250m" is 0.25, "1Gi" is 2^30, "1e3" is 1000. False: it is no quantity. */
bool kube_quantity(double *out, const char *text);

#endif
