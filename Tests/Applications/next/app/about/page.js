export const dynamic = 'force-dynamic';

export default function About() {
  return <h1 id="title">second</h1>;
}
