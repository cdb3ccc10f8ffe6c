// Package sample makes up a company: people with managers, departments,
// offices, time zones and languages as companies really have them, and among
// them a few for whom provisioning is known to go wrong.
//
// Its one idea is that a sample is only useful when it is the same every time
// and says what is wrong with it: the same [Options] give the same company to
// the byte, and [Company.Troubles] names each person who was made difficult,
// with the rule of the diagnosis catalogue that must find them.
//
// [Generate] makes the company, [Company.WriteJSON] writes it as a file that
// package source/file reads, and [Company.DeskSeed] says what the service desk
// should hold before the first cycle.
package sample
