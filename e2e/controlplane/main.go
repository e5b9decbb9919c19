// Command controlplane is a Kubernetes control plane without nodes, in one binary: its first argument says which of the
// real programs it is. The tests start one process of each.
//
// Each program ends when its standard input does. The tests keep a pipe open there, so that nothing outlives a test
// run, however that ends.
package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics, as in the released programs
	_ "k8s.io/component-base/metrics/prometheus/version"  // the version metric, as in the released programs
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

const usage = "usage: controlplane etcd DIR CLIENT_URL PEER_URL | kube-apiserver FLAGS | kube-controller-manager FLAGS"

const etcdStartTimeout = 60 * time.Second

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("%s", usage))
	}
	program := os.Args[1]
	os.Args = append([]string{program}, os.Args[2:]...)
	go endWithStdin()
	switch program {
	case "etcd":
		fail(runEtcd(os.Args[1:]))
	case "kube-apiserver":
		run(apiserver.NewAPIServerCommand())
	case "kube-controller-manager":
		run(controllers.NewControllerManagerCommand())
	default:
		fail(fmt.Errorf("unknown program %q\n%s", program, usage))
	}
}

func endWithStdin() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
}

func run(command *cobra.Command) {
	os.Exit(cli.Run(command))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runEtcd serves one member until SIGTERM or SIGINT. It never calls fsync: the data of a test need not outlive the
// machine, only the process.
func runEtcd(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("%s", usage)
	}
	client, err := url.Parse(args[1])
	if err != nil {
		return fmt.Errorf("client URL: %w", err)
	}
	peer, err := url.Parse(args[2])
	if err != nil {
		return fmt.Errorf("peer URL: %w", err)
	}

	config := embed.NewConfig()
	config.Dir = args[0]
	config.LogLevel = "error"
	config.UnsafeNoFsync = true
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)

	member, err := embed.StartEtcd(config)
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	defer member.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-member.Server.ReadyNotify():
	case <-time.After(etcdStartTimeout):
		return fmt.Errorf("etcd was not ready within %s", etcdStartTimeout)
	case err := <-member.Err():
		return err
	}
	select {
	case <-stop:
		return nil
	case err := <-member.Err():
		return err
	}
}
