package main

const sysSetns = 268 // package syscall does not name it
