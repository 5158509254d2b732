// Package epoll waits for many descriptors at once: poller, event loop, timer wheel.
package epoll
