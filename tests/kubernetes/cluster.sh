# A Kubernetes API of its own on this machine, for tests: etcd, kube-apiserver and
# kube-controller-manager on loopback, without nodes, kubelet and containers. Sourced. Everything
# lives in the directory $SITE and ends with site_down.
#
#   site_up          starts all; exports KUBECONFIG (as administrator) and SITE_PORT
#   site_api_up      starts the API server alone, on the same port and the same data
#   site_api_down    ends it
#   site_down        ends everything that was started, by process number
#   site_token NAME  a token of a service account of the namespace `shop`
#   site_kubeconfig TOKEN    a kubeconfig of that token, on standard output
#   site_ready SELECTOR      marks the pods of that label in `shop` as ready, as a kubelet would
#
# KUBERNETES_BIN names the directory of kube-apiserver and kube-controller-manager
# (tests/kubernetes/build); etcd and kubectl are found there or in PATH.
#
# shellcheck shell=sh
PATH=${KUBERNETES_BIN:?}:$PATH:/usr/sbin:/sbin

# N <= 16 TCP ports that nobody listens on or is connected from. Two tests that run at the same time
# have process numbers apart, and so ports apart.
site_ports() { # N
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v n="$1" -v at=$((20000 + $$ % 625 * 16)) '
        function hex(s,    i, v) {
            for (i = 1; i <= length(s); i++) v = v * 16 + index("0123456789ABCDEF", substr(s, i, 1)) - 1
            return v
        }
        split($2, part, ":") == 2 { used[hex(part[2])] = 1 }
        END { for (; n > 0; at++) if (!(at in used)) { print at; n-- } }'
}

site_secret() {
    od -An -N 16 -tx1 /dev/urandom | tr -d ' \n'
}

site_ca() { # NAME: a CA and a certificate of it for 127.0.0.1
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$SITE/$1-ca.key" -out "$SITE/$1-ca.crt" \
        -days 2 -subj "/CN=$1-ca" 2>/dev/null &&
        openssl req -newkey rsa:2048 -nodes -keyout "$SITE/$1.key" -out "$SITE/$1.csr" \
            -subj /CN=kube-apiserver 2>/dev/null &&
        printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' >"$SITE/$1.ext" &&
        openssl x509 -req -in "$SITE/$1.csr" -CA "$SITE/$1-ca.crt" -CAkey "$SITE/$1-ca.key" \
            -CAcreateserial -out "$SITE/$1.crt" -days 2 -extfile "$SITE/$1.ext" 2>/dev/null
}

site_start() { # NAME COMMAND...: in the background, with a log and a file of its process number
    site_name=$1
    shift
    "$@" >>"$SITE/$site_name.log" 2>&1 </dev/null &
    echo $! >"$SITE/$site_name.pid"
}

site_stop() { # NAME
    [ -r "$SITE/$1.pid" ] || return 0
    site_pid=$(cat "$SITE/$1.pid")
    rm -f "$SITE/$1.pid"
    case $(tr '\0' ' ' <"/proc/$site_pid/cmdline" 2>/dev/null) in
    *"$SITE"*) ;;
    *) return 0 ;; # the number belongs to another process by now
    esac
    kill "$site_pid" 2>/dev/null || :
    site_tries=0
    while kill -0 "$site_pid" 2>/dev/null && [ $site_tries -lt 50 ]; do
        site_tries=$((site_tries + 1))
        sleep 0.1
    done
    kill -KILL "$site_pid" 2>/dev/null || :
    wait "$site_pid" 2>/dev/null || :
}

site_kubeconfig() { # TOKEN
    cat <<C
apiVersion: v1
kind: Config
clusters:
- name: test
  cluster: {server: "https://127.0.0.1:$SITE_PORT", certificate-authority: $SITE/api-ca.crt}
users:
- name: user
  user: {token: "$1"}
contexts:
- name: test
  context: {cluster: test, user: user, namespace: shop}
current-context: test
C
}

site_await() { # SECONDS COMMAND...
    site_until=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $site_until ] || return 1
        sleep 0.2
    done
}

site_api_up() {
    site_start api kube-apiserver --etcd-servers="http://127.0.0.1:$SITE_ETCD" \
        --secure-port="$SITE_PORT" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
        --insecure-port=0 --tls-cert-file="$SITE/api.crt" --tls-private-key-file="$SITE/api.key" \
        --client-ca-file="$SITE/api-ca.crt" --token-auth-file="$SITE/tokens.csv" \
        --service-account-key-file="$SITE/sa.pub" --service-account-signing-key-file="$SITE/sa.key" \
        --service-account-issuer=https://kubernetes.default.svc --authorization-mode=RBAC \
        --service-cluster-ip-range=10.96.0.0/24 --endpoint-reconciler-type=none \
        --disable-admission-plugins=ServiceAccount \
        --audit-policy-file="$SITE/audit.yaml" --audit-log-path="$SITE/audit.log" \
        --audit-log-mode=blocking
    site_await 120 kubectl get --raw /readyz
}

site_api_down() {
    site_stop api
}

site_up() {
    mkdir -p "$SITE/etcd"
    chmod 700 "$SITE" "$SITE/etcd"
    # shellcheck disable=SC2046
    set -- $(site_ports 4)
    SITE_PORT=$1 SITE_ETCD=$2
    export SITE_PORT KUBECONFIG="$SITE/kubeconfig"
    site_admin=$(site_secret)
    site_kcm=$(site_secret)
    site_ca api && site_ca other || return 1
    openssl genrsa -out "$SITE/sa.key" 2048 2>/dev/null
    openssl rsa -in "$SITE/sa.key" -pubout -out "$SITE/sa.pub" 2>/dev/null
    printf '%s,admin,admin,system:masters\n%s,system:kube-controller-manager,kcm,system:masters\n' \
        "$site_admin" "$site_kcm" >"$SITE/tokens.csv"
    printf 'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n' \
        >"$SITE/audit.yaml"
    site_kubeconfig "$site_admin" >"$KUBECONFIG"
    site_kubeconfig "$site_kcm" >"$SITE/kcm.kubeconfig"
    site_start etcd etcd --data-dir "$SITE/etcd" --listen-client-urls "http://127.0.0.1:$SITE_ETCD" \
        --advertise-client-urls "http://127.0.0.1:$SITE_ETCD" --listen-peer-urls "http://127.0.0.1:$3" \
        --initial-advertise-peer-urls "http://127.0.0.1:$3" \
        --initial-cluster "default=http://127.0.0.1:$3" --unsafe-no-fsync
    site_api_up || return 1
    site_start kcm kube-controller-manager --kubeconfig="$SITE/kcm.kubeconfig" \
        --service-account-private-key-file="$SITE/sa.key" --root-ca-file="$SITE/api-ca.crt" \
        --leader-elect=false --bind-address=127.0.0.1 --secure-port="$4" --port=0 \
        --cert-dir="$SITE" --controllers='deployment,replicaset,namespace,serviceaccount,serviceaccount-token,garbagecollector'
    kubectl create namespace shop >/dev/null
}

site_down() {
    site_stop kcm
    site_stop api
    site_stop etcd
}

site_token() { # NAME
    kubectl create --raw "/api/v1/namespaces/shop/serviceaccounts/$1/token" -f - <<'C' |
{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":3600}}
C
        sed -n 's/.*"token":"\([^"]*\)".*/\1/p'
}

# There is no kubelet. Pods are bound to a node that does not exist, and their status is written.
site_ready() { # SELECTOR
    kubectl -n shop get pods -l "$1" -o name | while read -r site_pod; do
        site_pod=${site_pod#pod/}
        kubectl create --raw "/api/v1/namespaces/shop/pods/$site_pod/binding" -f - >/dev/null 2>&1 <<C
{"apiVersion":"v1","kind":"Binding","metadata":{"name":"$site_pod"},"target":{"kind":"Node","name":"node-1"}}
C
        site_now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
        kubectl get --raw "/api/v1/namespaces/shop/pods/$site_pod" |
            sed "s/\"status\":{.*/\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.1\",\"startTime\":\"$site_now\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"lastTransitionTime\":\"$site_now\"}]}}/" |
            kubectl replace --raw "/api/v1/namespaces/shop/pods/$site_pod/status" -f - >/dev/null
    done
}

# Requests that changed or tried to change something, as the API server counted them in its audit
# log, of a service account of `shop`.
site_writes() { # NAME
    grep "\"username\":\"system:serviceaccount:shop:$1\"" "$SITE/audit.log" |
        grep -Ec '"verb":"(create|update|patch|delete|deletecollection)"'
}
