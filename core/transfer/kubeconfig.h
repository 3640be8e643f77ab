/* How to reach an API server, and as whom: from a kubeconfig file, or from inside a pod.
 *
 * A kubeconfig is read as kubectl reads it, as far as it goes: server, CA (file or data), and one
 * of token, token file, client certificate. Refused with a sentence that says what to do instead:
 * exec and auth-provider plugins (they would run a program of somebody else's choosing), user and
 * password (Kubernetes has removed them), tls-server-name, proxy-url, several files in $KUBECONFIG.
 * What else such a file holds is ignored. insecure-skip-tls-verify is honoured with a warning.
 *
 * Inside a pod the kubelet mounts token, CA and namespace of the service account below
 * /var/run/secrets/kubernetes.io/serviceaccount and renews the token there; see http.h.
 */
#ifndef KARMA_TRANSFER_KUBECONFIG_H
#define KARMA_TRANSFER_KUBECONFIG_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <stddef.h>

/* Texts in the arena, "" if there is none. Secrets: token, key_pem. */
struct kube_access {
    const char *server;  /* https://HOST:PORT */
    const char *ca_file; /* absolute, or relative to the working directory */
    const char *ca_pem;  /* the same as text */
    const char *token;
    const char *token_file;
    const char *cert_pem;
    const char *key_pem;
    const char *name_space; /* "default" if nobody says another */
    const char *source;     /* for messages: the file, or "the service account of this pod" */
    bool insecure;
};

/* `context` "": the current one of the file. ERR_IO; ERR_CONFIG with a logged sentence. */
enum err kube_access_file(struct kube_access *out, struct arena *arena, const char *path,
                          const char *context) WARN_UNUSED;

/* The same from text; `path` stands for it in messages, and its directory is where relative names
 * of files begin. */
enum err kube_access_text(struct kube_access *out, struct arena *arena, const char *path,
                          const char *context, const void *text, size_t n) WARN_UNUSED;

/* From $KUBERNETES_SERVICE_HOST and _PORT and the files in `dir`; "": the usual directory.
 * ERR_CONFIG: this is no pod. */
enum err kube_access_pod(struct kube_access *out, struct arena *arena, const char *dir) WARN_UNUSED;

/* The first of: `path` if it is not ""; $KUBECONFIG; the pod; ~/.kube/config. */
enum err kube_access_find(struct kube_access *out, struct arena *arena, const char *path,
                          const char *context) WARN_UNUSED;

#endif
