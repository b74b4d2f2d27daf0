// What these tests run (containers, signals, PostgreSQL of the distribution) is Linux's.
[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

[assembly: TestCollectionOrderer("Plane.Tests.LongestFirst", "Plane.Tests")]
